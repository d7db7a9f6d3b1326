# Machines you have: nothing is created. The root checks what you wrote and hands it on in the same
# shape as the lab, so that everything after it need not know which environment it is in.
locals {
  hosts = {
    for name, machine in var.machines : name => {
      address = machine.address
      user    = machine.user
      port    = machine.port
      groups  = machine.groups
      vars    = tomap({ for key, value in { core_id = machine.core_id } : key => value if value != null })
    }
  }
}

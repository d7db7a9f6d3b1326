variable "machines" {
  type = map(object({
    address = string
    groups  = list(string)
    user    = optional(string, "root")
    port    = optional(number, 22)
    core_id = optional(number)
  }))
  description = "The machines you have, by name: two in the group cores (core_id 1 and 2), one in hubs, and at most one in chats."
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.machines) : can(regex("^[a-z][a-z0-9-]{0,30}$", name))])
    error_message = "machines: ${join(", ", [for name in keys(var.machines) : name if !can(regex("^[a-z][a-z0-9-]{0,30}$", name))])}: a name has 1 to 31 lower-case letters, digits or hyphens, the first a letter."
  }

  validation {
    condition     = alltrue([for machine in var.machines : can(cidrhost("${machine.address}/32", 0))])
    error_message = "machines: ${join(", ", [for name, machine in var.machines : "${name} (${machine.address})" if !can(cidrhost("${machine.address}/32", 0))])}: address must be an IPv4 address, not a name."
  }

  validation {
    condition     = length(distinct([for machine in var.machines : machine.address])) == length(var.machines)
    error_message = "machines: two machines share an address: ${join(", ", [for name, machine in var.machines : "${name}=${machine.address}"])}."
  }

  validation {
    condition     = alltrue([for machine in var.machines : machine.port >= 1 && machine.port <= 65535])
    error_message = "machines: a port is outside 1 to 65535."
  }

  validation {
    condition     = toset([for machine in var.machines : machine.core_id if contains(machine.groups, "cores")]) == toset([1, 2])
    error_message = "machines: the group cores needs exactly two machines with core_id 1 and 2."
  }

  validation {
    condition     = length([for machine in var.machines : machine if contains(machine.groups, "hubs")]) == 1
    error_message = "machines: exactly one machine belongs to the group hubs; it is the witness."
  }

  validation {
    condition     = length([for machine in var.machines : machine if contains(machine.groups, "chats")]) <= 1
    error_message = "machines: at most one machine belongs to the group chats; people on several servers would not see each other's messages."
  }
}

variable "system_network" {
  type        = object({ name = optional(string, "system"), subnet = string, gateway = string, vip = string })
  description = "The network the cores share; vip is a free address in its subnet."
  nullable    = false

  validation {
    condition     = can(cidrhost(var.system_network.subnet, 0))
    error_message = "system_network.subnet is \"${var.system_network.subnet}\": write it in CIDR form, for example 192.0.2.0/24."
  }

  validation {
    condition = alltrue([
      for address in [var.system_network.vip, var.system_network.gateway] :
      try(cidrhost("${address}/${split("/", var.system_network.subnet)[1]}", 0) == cidrhost(var.system_network.subnet, 0), false)
    ])
    error_message = "system_network: vip (${var.system_network.vip}) and gateway (${var.system_network.gateway}) must lie in ${var.system_network.subnet}."
  }

  validation {
    condition     = !contains([for machine in var.machines : machine.address], var.system_network.vip)
    error_message = "system_network.vip is ${var.system_network.vip}, the address of one of the machines: choose a free one."
  }
}

variable "sandbox_network" {
  type        = object({ name = optional(string, "sandbox"), subnet = string, gateway = string, vip = optional(string) })
  description = "The network of the sandbox host; null as long as there is none."
  default     = null

  validation {
    condition     = var.sandbox_network == null || can(cidrhost(var.sandbox_network.subnet, 0))
    error_message = "sandbox_network.subnet is no subnet in CIDR form, for example 198.51.100.0/24."
  }
}

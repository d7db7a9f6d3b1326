output "name" {
  description = "Name of the network in the engine."
  value       = docker_network.this.name
}

output "network" {
  description = "The network as the inventory sees it: name, subnet, gateway and vip (null where there is none)."
  value = {
    name    = docker_network.this.name
    subnet  = var.subnet
    gateway = local.gateway
    vip     = var.vip_host_number == null ? null : cidrhost(var.subnet, var.vip_host_number)
  }
}

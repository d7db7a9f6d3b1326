output "hosts" {
  description = "The hosts by name: address, user, port, groups and vars. The inventory is written from it."
  value       = local.hosts
}

output "networks" {
  description = "The networks system and sandbox (null where there is none): name, subnet, gateway and vip."
  value       = { system = var.system_network, sandbox = var.sandbox_network }
}

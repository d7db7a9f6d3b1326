output "hosts" {
  description = "The hosts by name: address, user, port, groups and vars. The inventory is written from it."
  value       = { for name, host in module.host : name => host.host }
}

output "networks" {
  description = "The networks system and sandbox: name, subnet, gateway and vip (null where there is none)."
  value       = { for name, network in module.network : name => network.network }
}

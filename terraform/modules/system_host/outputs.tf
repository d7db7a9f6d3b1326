output "host" {
  description = "The host as the inventory sees it: address, user, port, groups and vars."
  value = {
    address = var.networks[0].address
    user    = "root"
    port    = 22
    groups  = var.groups
    vars    = var.vars
  }

  # Whoever reads the address wants a host that has booted.
  depends_on = [docker_container.this]
}

output "container_name" {
  description = "Name of the container that is the host."
  value       = docker_container.this.name
}

output "published_addresses" {
  description = "Where the deploying machine publishes the host's ports, as ip:port."
  value       = tolist([for port in var.published_ports : "${port.ip}:${port.external}"])
}

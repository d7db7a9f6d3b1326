locals {
  gateway = cidrhost(var.subnet, 1)
}

resource "docker_network" "this" {
  name     = "heyken-${var.deployment}-${var.name}"
  driver   = "bridge"
  internal = var.internal

  ipam_config {
    subnet  = var.subnet
    gateway = local.gateway
  }

  labels {
    label = "heyken.lab"
    value = var.deployment
  }
}

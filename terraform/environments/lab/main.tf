locals {
  vip_host_number = 10
  # A port of this machine can serve one lab only.
  publishes = var.name == "lab"

  subnets = {
    system  = var.system_subnet
    sandbox = var.sandbox_subnet
  }

  # Cores hold the virtual address on lo all the time: only the holder may answer ARP for it.
  core_sysctls = {
    "net.ipv4.conf.all.arp_announce" = "2"
    "net.ipv4.conf.all.arp_ignore"   = "1"
  }
}

data "docker_image" "system" {
  name = var.image
}

module "network" {
  source   = "../../modules/network"
  for_each = local.subnets

  deployment      = var.name
  name            = each.key
  subnet          = each.value
  internal        = each.key == "sandbox"
  vip_host_number = each.key == "system" ? local.vip_host_number : null
}

module "host" {
  source   = "../../modules/system_host"
  for_each = var.hosts

  deployment      = var.name
  name            = each.key
  image_id        = data.docker_image.system.id
  groups          = each.value.groups
  vars            = { for key, value in { core_id = each.value.core_id } : key => value if value != null }
  ssh_public_key  = trimspace(var.ssh_public_key)
  memory_mib      = each.value.memory_mib
  cpus            = each.value.cpus
  sysctls         = each.value.core_id == null ? {} : local.core_sysctls
  nested_docker   = each.value.nested_docker
  published_ports = local.publishes ? each.value.published_ports : []
  cgroup_version  = var.cgroup_version

  networks = [
    for network in each.value.networks : {
      name    = module.network[network].name
      address = cidrhost(local.subnets[network], each.value.host_number)
    }
  ]
}

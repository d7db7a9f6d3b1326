variable "engine_host" {
  type        = string
  description = "Address of the Docker engine, for example unix:///var/run/docker.sock."
  nullable    = false

  validation {
    condition     = can(regex("^(unix|tcp|ssh|npipe)://.+", var.engine_host))
    error_message = "engine_host is \"${var.engine_host}\": give an address with its scheme, for example unix:///var/run/docker.sock."
  }
}

variable "image" {
  type        = string
  description = "Local image of the system hosts as name:tag; it must be imported before the plan."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/-]*:[A-Za-z0-9_][A-Za-z0-9._-]*$", var.image))
    error_message = "image is \"${var.image}\": give name:tag of an image the engine has."
  }
}

variable "ssh_public_key" {
  type        = string
  description = "Public key that may log in as root, one line in OpenSSH form."
  nullable    = false
}

variable "cgroup_version" {
  type        = number
  description = "Version of the machine's control groups: 1 (also hybrid) or 2."
  nullable    = false

  validation {
    condition     = contains([1, 2], var.cgroup_version)
    error_message = "cgroup_version is ${var.cgroup_version}: it is 2 where /sys/fs/cgroup/cgroup.controllers exists, otherwise 1."
  }
}

variable "name" {
  type        = string
  description = "Name of the deployment; every resource name carries it, so several labs live side by side."
  default     = "lab"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.name))
    error_message = "name is \"${var.name}\": use 1 to 16 lower-case letters, digits or hyphens, the first a letter."
  }
}

variable "system_subnet" {
  type        = string
  description = "Subnet of the network that holds the virtual address (host number 10)."
  default     = "10.77.0.0/24"
  nullable    = false

  validation {
    condition     = can(regex("/(1[6-9]|2[0-7])$", var.system_subnet)) && can(cidrhost(var.system_subnet, 10))
    error_message = "system_subnet is \"${var.system_subnet}\": write the network address with a length from /16 to /27, for example 10.77.0.0/24."
  }
}

variable "sandbox_subnet" {
  type        = string
  description = "Subnet of the internal network without a route to the outside or to the cores."
  default     = "10.77.1.0/24"
  nullable    = false

  validation {
    condition     = can(regex("/(1[6-9]|2[0-7])$", var.sandbox_subnet)) && var.sandbox_subnet != var.system_subnet
    error_message = "sandbox_subnet is \"${var.sandbox_subnet}\": choose a network from /16 to /27 other than system_subnet (${var.system_subnet})."
  }
}

variable "hosts" {
  type = map(object({
    host_number   = number
    groups        = list(string)
    memory_mib    = number
    core_id       = optional(number)
    cpus          = optional(number)
    nested_docker = optional(bool, false)
    networks      = optional(list(string), ["system"])
    published_ports = optional(list(object({
      internal = number
      external = number
      protocol = optional(string, "tcp")
      ip       = optional(string, "127.0.0.1")
    })), [])
  }))
  description = "The hosts by name; see hosts.auto.tfvars. The first network gives the address Ansible uses."
  nullable    = false

  validation {
    condition     = length(var.hosts) > 0
    error_message = "hosts is empty: list them in hosts.auto.tfvars."
  }

  validation {
    condition     = length(distinct([for host in var.hosts : host.host_number])) == length(var.hosts)
    error_message = "hosts: two hosts share a host_number: ${join(", ", [for name, host in var.hosts : "${name}=${host.host_number}"])}. Give each its own."
  }

  validation {
    condition     = alltrue([for host in var.hosts : host.host_number >= 11 && host.host_number <= 29])
    error_message = "hosts: ${join(", ", [for name, host in var.hosts : name if host.host_number < 11 || host.host_number > 29])}: host_number must be from 11 to 29; 1 is the gateway, 10 the virtual address."
  }

  validation {
    condition = alltrue(flatten([
      for host in var.hosts : [for network in host.networks : contains(["system", "sandbox"], network)]
    ]))
    error_message = "hosts: a host names a network other than system and sandbox."
  }

  validation {
    condition = (
      alltrue([for host in var.hosts : contains(host.groups, "cores") == (host.core_id != null)]) &&
      length(distinct([for host in var.hosts : host.core_id if host.core_id != null])) == length([for host in var.hosts : host if host.core_id != null])
    )
    error_message = "hosts: each host in the group cores needs a core_id of its own, and no other host may have one."
  }

  validation {
    condition = length(distinct(flatten([
      for host in var.hosts : [for port in host.published_ports : "${port.ip}:${port.external}/${port.protocol}"]
      ]))) == length(flatten([
      for host in var.hosts : [for port in host.published_ports : port.external]
    ]))
    error_message = "hosts: two hosts publish the same port on the same address."
  }
}

variable "deployment" {
  type        = string
  description = "Name of the deployment; part of every resource name and the heyken.lab label."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.deployment))
    error_message = "deployment is \"${var.deployment}\": use 1 to 16 lower-case letters, digits or hyphens, the first a letter."
  }
}

variable "name" {
  type        = string
  description = "Host name, for example \"core1\"."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.name))
    error_message = "name is \"${var.name}\": use 1 to 31 lower-case letters, digits or hyphens, the first a letter."
  }
}

variable "image_id" {
  type        = string
  description = "Identifier of a local image that boots systemd. A new image replaces the host."
  nullable    = false

  validation {
    condition     = startswith(var.image_id, "sha256:")
    error_message = "image_id is \"${var.image_id}\": give the identifier (sha256:…) that data \"docker_image\" returns, not a name."
  }
}

variable "networks" {
  type        = list(object({ name = string, address = string }))
  description = "Networks in the engine and the host's address in each. The first one is the address people and Ansible use."
  nullable    = false

  validation {
    condition     = length(var.networks) > 0
    error_message = "networks is empty: a host needs at least one network to be reached through."
  }
}

variable "groups" {
  type        = list(string)
  description = "Inventory groups of the host."
  nullable    = false

  validation {
    condition     = length(var.groups) > 0
    error_message = "groups is empty: a host without a group would be configured by nothing."
  }
}

variable "ssh_public_key" {
  type        = string
  description = "One line in OpenSSH form; the only key root accepts."
  nullable    = false

  validation {
    condition     = can(regex("^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp[0-9]+) [A-Za-z0-9+/=]+( [^\\n]*)?$", var.ssh_public_key))
    error_message = "ssh_public_key is no single line in OpenSSH form: give the content of the .pub file without its line end."
  }
}

variable "memory_mib" {
  type        = number
  description = "Memory limit of the host in MiB; there is no swap on top."
  nullable    = false

  validation {
    condition     = var.memory_mib >= 128
    error_message = "memory_mib is ${var.memory_mib}: systemd and a service need at least 128 MiB."
  }
}

variable "cpus" {
  type        = number
  description = "Number of CPUs the host may use; null for all."
  default     = null

  validation {
    condition     = var.cpus == null || try(var.cpus > 0, false)
    error_message = "cpus is ${coalesce(var.cpus, 0)}: give a positive number, or null for all CPUs."
  }
}

variable "vars" {
  type        = map(number)
  description = "Inventory variables of the host, for example {core_id = 1}."
  default     = {}
  nullable    = false
}

variable "sysctls" {
  type        = map(string)
  description = "Kernel parameters of the host's network namespace; /proc/sys is read-only inside."
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.sysctls) : startswith(key, "net.")])
    error_message = "sysctls names ${join(", ", [for key in keys(var.sysctls) : key if !startswith(key, "net.")])}: only net.* belongs to a single host."
  }
}

variable "nested_docker" {
  type        = bool
  description = "Whether a Docker engine will run inside: writable cgroups, forwarding, and a volume for its data."
  default     = false
  nullable    = false
}

variable "published_ports" {
  type = list(object({
    internal = number
    external = number
    protocol = optional(string, "tcp")
    ip       = optional(string, "127.0.0.1")
  }))
  description = "Ports the deploying machine publishes for the host; on loopback unless an ip says otherwise."
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for port in var.published_ports :
      port.internal >= 1 && port.internal <= 65535 && port.external >= 1 && port.external <= 65535 && contains(["tcp", "udp"], port.protocol)
    ])
    error_message = "published_ports holds a port outside 1 to 65535, or a protocol other than tcp and udp."
  }
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

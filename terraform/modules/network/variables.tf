variable "deployment" {
  type        = string
  description = "Name of the deployment; part of the network's name and its heyken.lab label."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.deployment))
    error_message = "deployment is \"${var.deployment}\": use 1 to 16 lower-case letters, digits or hyphens, the first a letter."
  }
}

variable "name" {
  type        = string
  description = "What the network is for, for example \"system\"."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.name))
    error_message = "name is \"${var.name}\": use 1 to 16 lower-case letters, digits or hyphens, the first a letter."
  }
}

variable "subnet" {
  type        = string
  description = "IPv4 subnet in CIDR form, from /16 to /27. Host number 1 is the gateway."
  nullable    = false

  validation {
    condition = (
      can(regex("/(1[6-9]|2[0-7])$", var.subnet)) &&
      try("${cidrhost(var.subnet, 0)}/${split("/", var.subnet)[1]}" == var.subnet, false)
    )
    error_message = "subnet is \"${var.subnet}\": write the network address with a length from /16 to /27, for example 10.77.0.0/24."
  }
}

variable "internal" {
  type        = bool
  description = "Whether the network has no route to the outside."
  default     = false
  nullable    = false
}

variable "vip_host_number" {
  type        = number
  description = "Host number of the virtual address in this network; null where there is none."
  default     = null

  validation {
    condition     = var.vip_host_number == null || try(var.vip_host_number > 1 && var.vip_host_number < 30, false)
    error_message = "vip_host_number is ${coalesce(var.vip_host_number, 0)}: choose a number from 2 to 29; 1 is the gateway."
  }
}

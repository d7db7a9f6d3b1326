locals {
  full_name = "heyken-${var.deployment}-${var.name}"
  labels    = { "heyken.lab" = var.deployment, "heyken.host" = var.name }

  # What systemd, keepalived and (inside) Docker need beyond the engine's own set. Written with CAP_:
  # the engine reports them so, and without it every plan would replace the host.
  capabilities = concat(
    [
      "CAP_NET_ADMIN",
      "CAP_NET_BROADCAST",
      "CAP_NET_RAW",
      "CAP_SYS_ADMIN",
      "CAP_SYS_NICE",
    ],
    # `docker exec`, and with it every health check, enters processes of other users.
    var.nested_docker ? ["CAP_SYS_PTRACE"] : [],
  )

  sysctls = merge(var.nested_docker ? { "net.ipv4.ip_forward" = "1" } : {}, var.sysctls)

  # Version 2: the host has control groups of its own (private namespace), mounted read-only by the
  # engine; init gets them writable. Version 1: systemd uses the machine's hierarchy, mounted below.
  command = {
    1 = ["/sbin/init"]
    2 = ["/bin/sh", "-c", "mount -o remount,rw /sys/fs/cgroup && exec /sbin/init"]
  }
}

resource "docker_volume" "docker_data" {
  # Without a volume the engine inside falls back to vfs, which copies every layer.
  for_each = toset(var.nested_docker ? ["docker"] : [])

  name = "${local.full_name}-${each.key}"

  dynamic "labels" {
    for_each = local.labels

    content {
      label = labels.key
      value = labels.value
    }
  }
}

resource "docker_container" "this" {
  name     = local.full_name
  hostname = var.name
  image    = var.image_id
  command  = local.command[var.cgroup_version]
  env      = ["container=docker"]

  restart               = "unless-stopped"
  stop_signal           = "SIGRTMIN+3"
  stop_timeout          = 30
  destroy_grace_seconds = 10

  cgroupns_mode = var.cgroup_version == 2 ? "private" : "host"
  cpus          = var.cpus == null ? null : tostring(var.cpus)
  memory        = var.memory_mib
  memory_swap   = var.memory_mib
  network_mode  = "bridge"
  security_opts = ["apparmor=unconfined", "seccomp=unconfined"]
  sysctls       = local.sysctls

  log_driver = "json-file"
  log_opts   = { "max-file" = "2", "max-size" = "5m" }

  tmpfs = {
    # "shared": without it LoadCredential= leaves an empty directory and the service starts all the same.
    "/run"      = "rw,nosuid,nodev,mode=755,shared"
    "/run/lock" = "rw,nosuid,nodev,noexec,mode=1777"
    "/tmp"      = "rw,nosuid,nodev,exec,mode=1777"
  }

  # A degraded host has finished booting, too: which unit failed is for the roles to say.
  wait         = true
  wait_timeout = 120

  capabilities {
    add = local.capabilities
  }

  healthcheck {
    test         = ["CMD-SHELL", "systemctl is-system-running | grep -Eqx 'running|degraded'"]
    interval     = "5s"
    timeout      = "5s"
    start_period = "1m0s" # in the form the engine reports: "60s" would differ at every plan
    retries      = 3
  }

  dynamic "labels" {
    for_each = local.labels

    content {
      label = labels.key
      value = labels.value
    }
  }

  dynamic "networks_advanced" {
    for_each = var.networks

    content {
      name         = networks_advanced.value.name
      ipv4_address = networks_advanced.value.address
    }
  }

  dynamic "ports" {
    for_each = var.published_ports

    content {
      internal = ports.value.internal
      external = ports.value.external
      protocol = ports.value.protocol
      ip       = ports.value.ip
    }
  }

  upload {
    file        = "/root/.ssh/authorized_keys"
    content     = "${var.ssh_public_key}\n"
    permissions = "0600"
  }

  dynamic "volumes" {
    for_each = toset(var.cgroup_version == 1 ? ["/sys/fs/cgroup"] : [])

    content {
      host_path      = volumes.key
      container_path = volumes.key
      read_only      = !var.nested_docker
    }
  }

  dynamic "volumes" {
    for_each = docker_volume.docker_data

    content {
      volume_name    = volumes.value.name
      container_path = "/var/lib/docker"
    }
  }
}

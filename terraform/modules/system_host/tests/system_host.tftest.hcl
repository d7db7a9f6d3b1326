mock_provider "docker" {}

variables {
  deployment     = "lab"
  name           = "core1"
  image_id       = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
  networks       = [{ name = "heyken-lab-system", address = "192.0.2.11" }]
  groups         = ["cores"]
  ssh_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExam ops@example.com"
  memory_mib     = 1024
  vars           = { core_id = 1 }
  cgroup_version = 1
}

run "defaults" {
  command = plan

  assert {
    condition     = docker_container.this.name == "heyken-lab-core1" && docker_container.this.hostname == "core1"
    error_message = "Container or host name is not what the tools look for."
  }

  assert {
    condition = output.host == {
      address = "192.0.2.11"
      user    = "root"
      port    = 22
      groups  = tolist(["cores"])
      vars    = tomap({ core_id = 1 })
    }
    error_message = "The hosts contract changed: ${jsonencode(output.host)}"
  }

  assert {
    condition     = docker_container.this.memory == docker_container.this.memory_swap
    error_message = "memory without the same memory_swap makes every plan differ."
  }

  assert {
    condition     = alltrue([for capability in one(docker_container.this.capabilities).add : startswith(capability, "CAP_")])
    error_message = "A capability without CAP_ replaces the host at every plan."
  }

  assert {
    condition     = !contains(one(docker_container.this.capabilities).add, "CAP_SYS_TIME")
    error_message = "CAP_SYS_TIME would let a host set the machine's clock."
  }

  assert {
    condition     = !contains(one(docker_container.this.capabilities).add, "CAP_SYS_PTRACE")
    error_message = "A host without containers of its own needs no CAP_SYS_PTRACE."
  }

  assert {
    condition     = contains(split(",", docker_container.this.tmpfs["/run"]), "shared")
    error_message = "/run without shared leaves LoadCredential= with an empty directory."
  }

  assert {
    condition     = contains(split(",", docker_container.this.tmpfs["/tmp"]), "exec")
    error_message = "/tmp without exec breaks Ansible's modules."
  }

  assert {
    condition     = one(docker_container.this.volumes).read_only && one(docker_container.this.volumes).host_path == "/sys/fs/cgroup"
    error_message = "Control groups of version 1 belong into the host read-only."
  }

  assert {
    condition     = docker_container.this.cgroupns_mode == "host" && docker_container.this.command == tolist(["/sbin/init"])
    error_message = "Version 1 starts init in the machine's control group namespace."
  }

  assert {
    condition     = length(docker_container.this.ports) == 0 && length(docker_volume.docker_data) == 0
    error_message = "A plain host publishes a port or has a Docker volume."
  }

  assert {
    condition     = one(docker_container.this.upload).content == "${var.ssh_public_key}\n"
    error_message = "The ssh key does not arrive as given."
  }
}

run "cgroup_version_2" {
  command = plan

  variables {
    cgroup_version = 2
  }

  assert {
    condition     = docker_container.this.cgroupns_mode == "private" && length(docker_container.this.volumes) == 0
    error_message = "With version 2 the host must not see the machine's own hierarchy."
  }

  assert {
    condition     = strcontains(join(" ", docker_container.this.command), "remount,rw /sys/fs/cgroup && exec /sbin/init")
    error_message = "With version 2 init needs its control groups writable."
  }
}

run "nested_docker" {
  command = plan

  variables {
    nested_docker = true
    cpus          = 1.5
    sysctls       = { "net.ipv4.conf.all.arp_ignore" = "1" }
  }

  assert {
    condition = alltrue([
      for volume in docker_container.this.volumes : volume.read_only != true
    ]) && length(docker_container.this.volumes) == 2
    error_message = "Nested Docker needs writable control groups and its own volume: ${jsonencode(docker_container.this.volumes)}"
  }

  assert {
    condition     = contains(one(docker_container.this.capabilities).add, "CAP_SYS_PTRACE")
    error_message = "Without CAP_SYS_PTRACE `docker exec` inside cannot enter a process of another user."
  }

  assert {
    condition     = docker_volume.docker_data["docker"].name == "heyken-lab-core1-docker"
    error_message = "The Docker volume's name does not carry deployment and host."
  }

  assert {
    condition = docker_container.this.sysctls == tomap({
      "net.ipv4.conf.all.arp_ignore" = "1"
      "net.ipv4.ip_forward"          = "1"
    })
    error_message = "Given kernel parameters and forwarding are not merged: ${jsonencode(docker_container.this.sysctls)}"
  }

  assert {
    condition     = docker_container.this.cpus == "1.5"
    error_message = "cpus is not passed on."
  }
}

run "published_on_loopback" {
  command = plan

  variables {
    published_ports = [{ internal = 5000, external = 15000 }]
  }

  assert {
    condition     = docker_container.this.ports[0].ip == "127.0.0.1" && docker_container.this.ports[0].protocol == "tcp"
    error_message = "A published port is open beyond loopback without being asked."
  }

  assert {
    condition     = output.published_addresses == tolist(["127.0.0.1:15000"])
    error_message = "The published address is not named: ${jsonencode(output.published_addresses)}"
  }
}

run "refuses_deployment_name" {
  command = plan
  variables {
    deployment = "Lab!"
  }
  expect_failures = [var.deployment]
}

run "refuses_name" {
  command = plan
  variables {
    name = "Core_1"
  }
  expect_failures = [var.name]
}

run "refuses_image_name" {
  command = plan
  variables {
    image_id = "heyken-system:1"
  }
  expect_failures = [var.image_id]
}

run "refuses_no_network" {
  command = plan
  variables {
    networks = []
  }
  expect_failures = [var.networks]
}

run "refuses_no_group" {
  command = plan
  variables {
    groups = []
  }
  expect_failures = [var.groups]
}

run "refuses_private_key" {
  command = plan
  variables {
    ssh_public_key = "-----BEGIN OPENSSH PRIVATE KEY-----"
  }
  expect_failures = [var.ssh_public_key]
}

run "refuses_little_memory" {
  command = plan
  variables {
    memory_mib = 64
  }
  expect_failures = [var.memory_mib]
}

run "refuses_zero_cpus" {
  command = plan
  variables {
    cpus = 0
  }
  expect_failures = [var.cpus]
}

run "refuses_machine_sysctl" {
  command = plan
  variables {
    sysctls = { "kernel.panic" = "1" }
  }
  expect_failures = [var.sysctls]
}

run "refuses_port" {
  command = plan
  variables {
    published_ports = [{ internal = 5000, external = 70000 }]
  }
  expect_failures = [var.published_ports]
}

run "refuses_cgroup_version" {
  command = plan
  variables {
    cgroup_version = 3
  }
  expect_failures = [var.cgroup_version]
}

mock_provider "docker" {
  mock_data "docker_image" {
    defaults = {
      id = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
    }
  }
}

variables {
  engine_host    = "unix:///run/example.sock"
  image          = "heyken-system:1"
  ssh_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExam ops@example.com\n"
  cgroup_version = 2
}

run "shipped_hosts" {
  command = plan

  assert {
    condition = jsonencode(output.hosts) == jsonencode({
      chat  = { address = "10.77.0.14", user = "root", port = 22, groups = ["system", "chats"], vars = {} }
      core1 = { address = "10.77.0.11", user = "root", port = 22, groups = ["system", "cores"], vars = { core_id = 1 } }
      core2 = { address = "10.77.0.12", user = "root", port = 22, groups = ["system", "cores"], vars = { core_id = 2 } }
      hub   = { address = "10.77.0.13", user = "root", port = 22, groups = ["system", "hubs"], vars = {} }
    })
    error_message = "The hosts contract changed: ${jsonencode(output.hosts)}"
  }

  assert {
    condition = output.networks == {
      system  = { name = "heyken-lab-system", subnet = "10.77.0.0/24", gateway = "10.77.0.1", vip = "10.77.0.10" }
      sandbox = { name = "heyken-lab-sandbox", subnet = "10.77.1.0/24", gateway = "10.77.1.1", vip = null }
    }
    error_message = "The networks contract changed: ${jsonencode(output.networks)}"
  }
}

run "the_lab_publishes_on_loopback" {
  command = plan

  assert {
    condition     = module.host["chat"].published_addresses == tolist(["127.0.0.1:3100"])
    error_message = "People would not find Rocket.Chat: ${jsonencode(module.host["chat"].published_addresses)}"
  }
}

run "another_lab" {
  command = plan

  variables {
    name           = "test"
    system_subnet  = "10.78.0.0/24"
    sandbox_subnet = "10.78.1.0/24"
  }

  assert {
    condition     = output.networks.system.name == "heyken-test-system" && output.networks.system.vip == "10.78.0.10"
    error_message = "A second lab shares names or addresses with the first: ${jsonencode(output.networks)}"
  }

  assert {
    condition     = output.hosts.core2.address == "10.78.0.12"
    error_message = "Hosts do not follow system_subnet: ${jsonencode(output.hosts)}"
  }

  assert {
    condition     = length(module.host["chat"].published_addresses) == 0
    error_message = "A second lab takes the first one's ports: ${jsonencode(module.host["chat"].published_addresses)}"
  }
}

run "a_host_more_is_data" {
  command = plan

  variables {
    hosts = {
      forge = {
        host_number     = 15, groups = ["system", "forge"], memory_mib = 4096, nested_docker = true,
        published_ports = [{ internal = 8080, external = 8080 }]
      }
      sandbox = { host_number = 16, groups = ["sandbox"], memory_mib = 2048, cpus = 1, networks = ["sandbox"] }
    }
  }

  assert {
    condition     = output.hosts.sandbox.address == "10.77.1.16" && output.hosts.forge.address == "10.77.0.15"
    error_message = "The first network does not give the address: ${jsonencode(output.hosts)}"
  }
}

run "refuses_engine_without_scheme" {
  command = plan
  variables {
    engine_host = "localhost"
  }
  expect_failures = [var.engine_host]
}

run "refuses_image_without_tag" {
  command = plan
  variables {
    image = "heyken-system"
  }
  expect_failures = [var.image]
}

run "refuses_cgroup_version" {
  command = plan
  variables {
    cgroup_version = 0
  }
  expect_failures = [var.cgroup_version]
}

run "refuses_name" {
  command = plan
  variables {
    name = "my_lab"
  }
  expect_failures = [var.name]
}

run "refuses_tiny_system_subnet" {
  command = plan
  variables {
    system_subnet = "10.77.0.0/30"
  }
  expect_failures = [var.system_subnet]
}

run "refuses_same_subnet_twice" {
  command = plan
  variables {
    sandbox_subnet = "10.77.0.0/24"
  }
  expect_failures = [var.sandbox_subnet]
}

run "refuses_no_hosts" {
  command = plan
  variables {
    hosts = {}
  }
  expect_failures = [var.hosts]
}

run "refuses_shared_host_number" {
  command = plan
  variables {
    hosts = {
      one = { host_number = 13, groups = ["system"], memory_mib = 512 }
      two = { host_number = 13, groups = ["system"], memory_mib = 512 }
    }
  }
  expect_failures = [var.hosts]
}

run "refuses_host_on_the_vip" {
  command = plan
  variables {
    hosts = { one = { host_number = 10, groups = ["system"], memory_mib = 512 } }
  }
  expect_failures = [var.hosts]
}

run "refuses_unknown_network" {
  command = plan
  variables {
    hosts = { one = { host_number = 13, groups = ["system"], memory_mib = 512, networks = ["office"] } }
  }
  expect_failures = [var.hosts]
}

run "refuses_core_without_id" {
  command = plan
  variables {
    hosts = { one = { host_number = 13, groups = ["cores"], memory_mib = 512 } }
  }
  expect_failures = [var.hosts]
}

run "refuses_port_published_twice" {
  command = plan
  variables {
    hosts = {
      one = { host_number = 13, groups = ["system"], memory_mib = 512, published_ports = [{ internal = 80, external = 8080 }] }
      two = { host_number = 14, groups = ["system"], memory_mib = 512, published_ports = [{ internal = 80, external = 8080 }] }
    }
  }
  expect_failures = [var.hosts]
}

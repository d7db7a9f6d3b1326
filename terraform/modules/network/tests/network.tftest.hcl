mock_provider "docker" {}

variables {
  deployment = "lab"
  name       = "system"
  subnet     = "192.0.2.0/24"
}

run "defaults" {
  command = plan

  assert {
    condition     = docker_network.this.name == "heyken-lab-system"
    error_message = "The network's name does not carry the deployment and the purpose."
  }

  assert {
    condition     = docker_network.this.internal == false
    error_message = "A network is internal without being asked."
  }

  assert {
    condition     = one(docker_network.this.labels).label == "heyken.lab" && one(docker_network.this.labels).value == "lab"
    error_message = "The label heyken.lab does not name the deployment."
  }

  assert {
    condition = output.network == {
      name    = "heyken-lab-system"
      subnet  = "192.0.2.0/24"
      gateway = "192.0.2.1"
      vip     = null
    }
    error_message = "The network contract changed: ${jsonencode(output.network)}"
  }
}

run "vip_and_internal" {
  command = plan

  variables {
    internal        = true
    vip_host_number = 10
  }

  assert {
    condition     = docker_network.this.internal && output.network.vip == "192.0.2.10"
    error_message = "internal or vip_host_number is not respected: ${jsonencode(output.network)}"
  }
}

run "refuses_deployment_name" {
  command = plan

  variables {
    deployment = "My Lab"
  }

  expect_failures = [var.deployment]
}

run "refuses_name" {
  command = plan

  variables {
    name = "9system"
  }

  expect_failures = [var.name]
}

run "refuses_host_bits_in_subnet" {
  command = plan

  variables {
    subnet = "192.0.2.1/24"
  }

  expect_failures = [var.subnet]
}

run "refuses_gateway_as_vip" {
  command = plan

  variables {
    vip_host_number = 1
  }

  expect_failures = [var.vip_host_number]
}

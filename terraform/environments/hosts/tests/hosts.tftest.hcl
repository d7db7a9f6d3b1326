variables {
  machines = {
    core1 = { address = "192.0.2.11", groups = ["system", "cores"], core_id = 1 }
    core2 = { address = "192.0.2.12", groups = ["system", "cores"], core_id = 2, user = "admin", port = 2222 }
    hub   = { address = "192.0.2.13", groups = ["system", "hubs"] }
    chat  = { address = "192.0.2.14", groups = ["system", "chats"] }
  }
  system_network = { subnet = "192.0.2.0/24", gateway = "192.0.2.1", vip = "192.0.2.10" }
}

run "defaults" {
  command = plan

  assert {
    condition = jsonencode(output.hosts) == jsonencode({
      chat  = { address = "192.0.2.14", user = "root", port = 22, groups = ["system", "chats"], vars = {} }
      core1 = { address = "192.0.2.11", user = "root", port = 22, groups = ["system", "cores"], vars = { core_id = 1 } }
      core2 = { address = "192.0.2.12", user = "admin", port = 2222, groups = ["system", "cores"], vars = { core_id = 2 } }
      hub   = { address = "192.0.2.13", user = "root", port = 22, groups = ["system", "hubs"], vars = {} }
    })
    error_message = "The hosts contract changed: ${jsonencode(output.hosts)}"
  }

  assert {
    condition     = output.networks.system == { name = "system", subnet = "192.0.2.0/24", gateway = "192.0.2.1", vip = "192.0.2.10" }
    error_message = "The networks contract changed: ${jsonencode(output.networks)}"
  }

  assert {
    condition     = output.networks.sandbox == null
    error_message = "A sandbox network appears without being given."
  }
}

run "refuses_machine_name" {
  command = plan
  variables {
    machines = {
      "Core 1" = { address = "192.0.2.11", groups = ["cores"], core_id = 1 }
      core2    = { address = "192.0.2.12", groups = ["cores"], core_id = 2 }
      hub      = { address = "192.0.2.13", groups = ["hubs"] }
    }
  }
  expect_failures = [var.machines]
}

run "refuses_name_as_address" {
  command = plan
  variables {
    machines = {
      core1 = { address = "core1.example.com", groups = ["cores"], core_id = 1 }
      core2 = { address = "192.0.2.12", groups = ["cores"], core_id = 2 }
      hub   = { address = "192.0.2.13", groups = ["hubs"] }
    }
  }
  expect_failures = [var.machines]
}

run "refuses_shared_address" {
  command = plan
  variables {
    machines = {
      core1 = { address = "192.0.2.11", groups = ["cores"], core_id = 1 }
      core2 = { address = "192.0.2.11", groups = ["cores"], core_id = 2 }
      hub   = { address = "192.0.2.13", groups = ["hubs"] }
    }
  }
  expect_failures = [var.machines]
}

run "refuses_port" {
  command = plan
  variables {
    machines = {
      core1 = { address = "192.0.2.11", groups = ["cores"], core_id = 1, port = 0 }
      core2 = { address = "192.0.2.12", groups = ["cores"], core_id = 2 }
      hub   = { address = "192.0.2.13", groups = ["hubs"] }
    }
  }
  expect_failures = [var.machines]
}

run "refuses_one_core" {
  command = plan
  variables {
    machines = {
      core1 = { address = "192.0.2.11", groups = ["cores"], core_id = 1 }
      hub   = { address = "192.0.2.13", groups = ["hubs"] }
    }
  }
  expect_failures = [var.machines]
}

run "refuses_no_hub" {
  command = plan
  variables {
    machines = {
      core1 = { address = "192.0.2.11", groups = ["cores"], core_id = 1 }
      core2 = { address = "192.0.2.12", groups = ["cores"], core_id = 2 }
    }
  }
  expect_failures = [var.machines]
}

run "refuses_two_chats" {
  command = plan
  variables {
    machines = {
      core1 = { address = "192.0.2.11", groups = ["cores"], core_id = 1 }
      core2 = { address = "192.0.2.12", groups = ["cores"], core_id = 2 }
      hub   = { address = "192.0.2.13", groups = ["hubs"] }
      chat1 = { address = "192.0.2.14", groups = ["chats"] }
      chat2 = { address = "192.0.2.15", groups = ["chats"] }
    }
  }
  expect_failures = [var.machines]
}

run "works_without_chat" {
  command = plan
  variables {
    machines = {
      core1 = { address = "192.0.2.11", groups = ["cores"], core_id = 1 }
      core2 = { address = "192.0.2.12", groups = ["cores"], core_id = 2 }
      hub   = { address = "192.0.2.13", groups = ["hubs"] }
    }
  }

  assert {
    condition     = length(output.hosts) == 3
    error_message = "A deployment without a chat host is refused."
  }
}

run "refuses_subnet" {
  command = plan
  variables {
    system_network = { subnet = "192.0.2.0", gateway = "192.0.2.1", vip = "192.0.2.10" }
  }
  expect_failures = [var.system_network]
}

run "refuses_vip_elsewhere" {
  command = plan
  variables {
    system_network = { subnet = "192.0.2.0/24", gateway = "192.0.2.1", vip = "198.51.100.10" }
  }
  expect_failures = [var.system_network]
}

run "refuses_vip_of_a_machine" {
  command = plan
  variables {
    system_network = { subnet = "192.0.2.0/24", gateway = "192.0.2.1", vip = "192.0.2.12" }
  }
  expect_failures = [var.system_network]
}

run "refuses_sandbox_subnet" {
  command = plan
  variables {
    sandbox_network = { subnet = "nowhere", gateway = "198.51.100.1" }
  }
  expect_failures = [var.sandbox_network]
}

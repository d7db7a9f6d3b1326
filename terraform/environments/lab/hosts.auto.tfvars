# The lab's hosts. A new host is a new entry here (and its wiring in inventory/lab/group_vars).
# host_number: last part of the address; nested_docker: a Docker engine runs inside;
# networks: "system" unless given; published_ports: on the deploying machine's loopback, and only for
# the lab named "lab": other labs are reached at their hosts' addresses.
hosts = {
  core1 = { host_number = 11, groups = ["system", "cores"], core_id = 1, memory_mib = 2048 }
  core2 = { host_number = 12, groups = ["system", "cores"], core_id = 2, memory_mib = 2048 }
  hub   = { host_number = 13, groups = ["system", "hubs"], memory_mib = 1024 }
  chat = {
    host_number     = 14, groups = ["system", "chats"], memory_mib = 2048, nested_docker = true,
    published_ports = [{ internal = 3100, external = 3100 }]
  }
}

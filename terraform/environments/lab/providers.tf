provider "docker" {
  host = var.engine_host
}

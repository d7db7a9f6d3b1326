terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    docker = {
      source  = "kreuzwerker/docker"
      version = ">= 4.6, < 5.0"
    }
  }
}

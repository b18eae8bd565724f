# /etc/nomad.d/docker.hcl
plugin "docker" {
  config {
    auth {
      # Not `helper = "ecr-refreshd"`: that would be asked for every image, also
      # for those of other registries, and its "not found" fails the task.
      config = "/etc/ecr-refreshd/docker/config.json"
    }
  }
}

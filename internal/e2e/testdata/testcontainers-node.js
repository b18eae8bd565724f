#!/usr/bin/env node
// Pulls an image as tests with testcontainers for node do, which pull with dockerode, or
// prints the version of testcontainers.
const { getContainerRuntimeClient, ImageName } = require("testcontainers");

async function pull(name) {
  const client = await getContainerRuntimeClient();
  await client.image.pull(ImageName.fromString(name), { force: true });
}

if (process.argv[2] === "version") {
  console.log(require("testcontainers/package.json").version);
} else {
  pull(process.argv[2]).catch((err) => {
    console.error(String(err));
    process.exit(1);
  });
}

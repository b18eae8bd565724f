// Creates the service that standard input describes, with its authconfig, through
// the engine whose socket is the argument.
const Docker = require('dockerode');

let text = '';
process.stdin.on('data', (piece) => { text += piece; });
process.stdin.on('end', async () => {
  try {
    const { authconfig, ...service } = JSON.parse(text);
    const engine = new Docker({ socketPath: process.argv[2] });
    // With one argument, dockerode takes the service for the login, which is none then.
    await (authconfig ? engine.createService(authconfig, service) : engine.createService(service));
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
});

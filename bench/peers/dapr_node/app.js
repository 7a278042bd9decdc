// A Dapr app in JavaScript with @dapr/dapr: says hello, takes events. The peer that Trilby's app channel is measured against
// (docs/benchmarks.md). Usage: node app.js PORT DAPR_HTTP_PORT
const { DaprServer, HttpMethod } = require("@dapr/dapr");

async function main() {
  const [port, daprPort] = process.argv.slice(2);
  const server = new DaprServer({
    serverHost: "127.0.0.1", serverPort: port, clientOptions: { daprHost: "127.0.0.1", daprPort },
    logger: { level: "error" },
  });
  await server.invoker.listen("hello", async () => "hello", { method: HttpMethod.GET });
  await server.pubsub.subscribe("broker", "events", async () => {});
  await server.start();
}

main();

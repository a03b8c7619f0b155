// SPDX-License-Identifier: MIT
// A script of this directory in several processes that share its port: PROCESSES SCRIPT ARGUMENT...
import cluster from "node:cluster";

const [processes, exec, ...args] = process.argv.slice(2);

cluster.setupPrimary({ exec, args });
cluster.on("exit", () => process.exit(1));
for (let i = 0; i < Number(processes); i++) {
    cluster.fork();
}

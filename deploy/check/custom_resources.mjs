// Validates custom resources against the models of their definitions: JSON documents on standard input, complaints as a
// JSON list on standard output. Runs where the npm packages are: node --input-type=module - < this, in .tools/npm.
import { readFileSync } from "node:fs";

const PACKAGES = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
  "argoproj.io": "@kubernetes-models/argo-cd",
  "external-secrets.io": "@kubernetes-models/external-secrets",
};

const complaints = [];
for (const { apiVersion, kind, ...rest } of JSON.parse(readFileSync(0, "utf8"))) {
  const name = `${kind}/${rest.metadata?.name}`;
  try {
    const models = await import(`${PACKAGES[apiVersion.split("/")[0]]}/${apiVersion}`);
    if (!models[kind]) complaints.push(`${name}: ${apiVersion} has no ${kind}`);
    else new models[kind](rest).validate();
  } catch (error) {
    complaints.push(`${name}: ${error.message}`);
  }
}
process.stdout.write(JSON.stringify(complaints));

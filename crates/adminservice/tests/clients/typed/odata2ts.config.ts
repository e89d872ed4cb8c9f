import { ConfigFileOptions, EmitModes, Modes } from "@odata2ts/odata2ts";

const config: ConfigFileOptions = {
  mode: Modes.service,
  emitMode: EmitModes.ts,
  services: { haulier: { serviceName: "Haulier", source: "metadata.xml", output: "generated" } },
};

export default config;

#!/usr/bin/python3
"""The dashboards say nothing that Grafana would not understand: TypeScript checks each against the types that Grafana publishes of its own
schema (@grafana/schema, of the release that docker-compose.yml starts): names and values of options, of fields, and of the dashboard.

    dashboard_types_test.py BUILD_DIR

The packages come from npm (HOTLINE_NPM names the folder of their node_modules; BUILD_DIR/npm by default); without them status 77.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PANELS = {"timeseries": ("TimeSeriesPanelCfg", True), "stat": ("StatPanelCfg", False), "bargauge": ("BarGaugePanelCfg", False),
          "table": ("TablePanelCfg", True)}


def as_unions(text):
    """Enums as unions of their values, as JSON has no enums."""
    def union(match):
        values = re.findall(r"=\s*(\"[^\"]*\"|-?\d+)", match.group(2))
        return f"export type {match.group(1)} = {' | '.join(values)};"
    return re.sub(r"export declare enum (\w+) \{(.*?)\}", union, text, flags=re.S)


def main():
    build = sys.argv[1]
    modules = os.path.join(os.environ.get("HOTLINE_NPM", os.path.join(build, "npm")), "node_modules")
    schema, compiler = f"{modules}/@grafana/schema/dist/esm", f"{modules}/typescript/bin/tsc"
    if not (os.path.isdir(schema) and os.path.exists(compiler)):
        print("SKIPPED: @grafana/schema and typescript are not installed")
        return 77
    with open(f"{modules}/@grafana/schema/package.json", encoding="utf-8") as file:
        version = json.load(file)["version"]
    with open(f"{ROOT}/docker-compose.yml", encoding="utf-8") as file:
        started = re.search(r"grafana/grafana:([\d.]+)", file.read()).group(1)
    if version != started:
        print(f"FAILED: @grafana/schema is {version}, docker-compose.yml starts {started}")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for path in glob.glob(f"{schema}/**/*.d.ts", recursive=True):
            target = f"{folder}/schema/{os.path.relpath(path, schema)}"
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(path, encoding="utf-8") as file, open(target, "w", encoding="utf-8") as out:
                out.write(as_unions(file.read()))
        lines = ["import type { Dashboard, Panel } from './schema/raw/dashboard/x/dashboard_types.gen';",
                 "type Deep<T> = T extends Array<infer E> ? Array<Deep<E>> : T extends object ? { [K in keyof T]?: Deep<T[K]> } : T;"]
        for kind, (name, _) in PANELS.items():
            lines.append(f"import type * as {kind} from './schema/raw/composable/{kind}/panelcfg/x/{name}_types.gen';")
        panels = 0
        for path in sorted(glob.glob(f"{ROOT}/deploy/grafana/dashboards/*.json")):
            with open(path, encoding="utf-8") as file:
                board = json.load(file)
            name = os.path.basename(path)[:-len(".json")]
            of_board = board.pop("panels")
            for query in board["annotations"]["list"]:
                # What a query of Prometheus adds is not in the general schema.
                for own in ("expr", "step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"):
                    query.pop(own, None)
            text = json.dumps(board, ensure_ascii=False)
            lines.append(f"export const {name}: Partial<Dashboard> = {text};")
            for panel in of_board:
                if panel["type"] not in PANELS:
                    print(f"FAILED: {name}: no type is known for a panel of {panel['type']}")
                    return 1
                panels += 1
                variable = f"{name}_{panel['id']}"
                options, custom = panel.pop("options", {}), panel["fieldConfig"]["defaults"].pop("custom", None) or None
                lines.append(f"// {panel['title']}")
                lines.append(f"export const {variable}: Panel = {json.dumps(panel, ensure_ascii=False)};")
                lines.append(f"export const {variable}_o: Deep<{panel['type']}.Options> = {json.dumps(options, ensure_ascii=False)};")
                if custom is not None:
                    if not PANELS[panel["type"]][1]:
                        print(f"FAILED: {variable}: a {panel['type']} has no custom fields")
                        return 1
                    lines.append(f"export const {variable}_c: Deep<{panel['type']}.FieldConfig> = {json.dumps(custom)};")
        # What is wrong must be found: one name and one value that Grafana does not know.
        wrong = ["export const w1: Deep<timeseries.Options> = {\"legends\": {}};",
                 "export const w2: Deep<timeseries.Options> = {\"legend\": {\"displayMode\": \"lists\"}};"]
        with open(f"{folder}/boards.ts", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        with open(f"{folder}/wrong.ts", "w", encoding="utf-8") as file:
            file.write("\n".join(lines[:2 + len(PANELS)] + wrong) + "\n")
        with open(f"{folder}/tsconfig.json", "w", encoding="utf-8") as file:
            json.dump({"compilerOptions": {"strict": True, "strictNullChecks": False, "noEmit": True, "skipLibCheck": True, "types": [],
                                           "module": "es2020", "moduleResolution": "node", "target": "es2020", "baseUrl": ".",
                                           "paths": {"@grafana/schema": ["schema/common/common.gen"]}},
                       "files": ["boards.ts", "wrong.ts"]}, file)
        done = subprocess.run(["node", compiler, "-p", folder], capture_output=True, text=True, check=False)
        faults = done.stdout.splitlines()
        real = [line for line in faults if "wrong.ts(" not in line]
        for line in real:
            print(line)
        if real:
            print("FAILED: Grafana would not understand the dashboards")
            return 1
        if len([line for line in faults if "wrong.ts(" in line]) != len(wrong):
            print("FAILED: what is wrong is not found: " + "\n".join(faults))
            return 1
    print(f"passed: {panels} panels fit the schema of Grafana {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

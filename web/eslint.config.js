import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

// Amounts are strings on the wire and bigint counts of 1e-8 in calculators (docs/web.md). A binary float would lose
// money quietly, so nothing turns text into one, but for the one file that draws.
const money = [
  {
    selector: "CallExpression[callee.name='parseFloat']",
    message: "Money is no float: calculators/money.ts parses.",
  },
  {
    selector: "CallExpression[callee.name='Number']",
    message: "Money is no float: see calculators/drawing.ts.",
  },
  { selector: "MemberExpression[property.name='parseFloat']", message: "Money is no float." },
  { selector: "UnaryExpression[operator='+']", message: "Money is no float: calculators/money.ts parses." },
];
const strings = [
  { selector: "JSXText[value=/[A-Za-z]{2}/]", message: "Texts live in src/strings/." },
  {
    selector: "JSXAttribute[name.name=/^(aria-label|title|placeholder|alt)$/] > Literal[value=/[A-Za-z]{2}/]",
    message: "Texts live in src/strings/.",
  },
];
const storage = [
  { name: "sessionStorage", message: "Tokens live in memory; preferences in state/preferences.ts." },
  { name: "localStorage", message: "Tokens live in memory; preferences in state/preferences.ts." },
];
const forbid = (...folders) => [
  "error",
  {
    patterns: folders.map((folder) => ({
      regex: `/${folder}/(?!types)`,
      message: "See the data flow in docs/web.md.",
    })),
  },
];

export default defineConfig(
  globalIgnores(["dist", "node_modules", "public"]),
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  a11y.flatConfigs.strict,
  hooks.configs.flat["recommended-latest"],
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-restricted-syntax": ["error", ...money, ...strings],
      "no-restricted-globals": ["error", ...storage],
      "no-console": "error",
      eqeqeq: "error",
      "max-lines": ["error", 500],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowAny: false }],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A role on a list whose bullets are styled away is what makes screen readers say that it is one.
      "jsx-a11y/no-redundant-roles": "off",
    },
  },
  { files: ["src/calculators/drawing.ts"], rules: { "no-restricted-syntax": ["error", ...strings] } },
  { files: ["src/state/preferences.ts"], rules: { "no-restricted-globals": "off" } },
  { files: ["src/wire/**"], rules: { "no-restricted-imports": forbid("state", "selectors", "views") } },
  {
    files: ["src/calculators/**"],
    rules: { "no-restricted-imports": forbid("wire", "state", "selectors", "views") },
  },
  { files: ["src/state/**"], rules: { "no-restricted-imports": forbid("selectors", "views") } },
  { files: ["src/selectors/**"], rules: { "no-restricted-imports": forbid("views") } },
  { files: ["src/views/**"], rules: { "no-restricted-imports": forbid("wire") } },
  { files: ["*.js", "*.ts", "tests/**"], rules: { "no-restricted-syntax": "off" } },
  { files: ["*.js"], extends: [tseslint.configs.disableTypeChecked] },
);

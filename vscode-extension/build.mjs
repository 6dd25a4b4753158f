// Bundles the extension for its host and the statistics' page for its panel.
import { copyFileSync } from 'node:fs';
import { build } from 'esbuild';

const common = { bundle: true, minify: true, logLevel: 'warning', legalComments: 'none' };

await build({ ...common, entryPoints: ['src/extension.ts'], outfile: 'dist/extension.js', external: ['vscode'], format: 'cjs', platform: 'node', target: 'node20' });
await build({ ...common, entryPoints: ['webview/statistics.ts'], outfile: 'dist/statistics.js', format: 'iife', platform: 'browser', target: 'es2022', tsconfig: 'webview/tsconfig.json' });
copyFileSync('webview/statistics.css', 'dist/statistics.css');

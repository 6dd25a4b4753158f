import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const fake = (name: string): string => fileURLToPath(new URL(`test/fakes/${name}.ts`, import.meta.url));

export default defineConfig({
  resolve: { alias: { vscode: fake('vscode'), 'vscode-languageclient/node': fake('languageclient') } },
  test: { include: ['test/**/*.test.ts'], testTimeout: 5000 },
});

import { defineConfig } from '@hey-api/openapi-ts';

export default defineConfig({
  output: 'generated/client',
  plugins: ['@hey-api/client-fetch', { name: '@hey-api/sdk', validator: { request: 'zod' } }, 'zod'],
});

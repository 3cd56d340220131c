import { fileURLToPath } from 'node:url';

export default {
  devIndicators: false,
  distDir: process.env.NEXT_DIST ?? '.next',
  poweredByHeader: false,
  turbopack: { root: fileURLToPath(new URL('.', import.meta.url)) },
};

// One page, two shops: with `api` in its address, its searches are personalized.
import { asked } from './algolia.js';

await import(asked.has('api') ? './personal.js' : './shop.js');

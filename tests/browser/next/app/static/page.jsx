// A page that is the same file for everybody, from any cache; what is hers is added in her browser.
import { Plain } from './plain.jsx';

export const dynamic = 'force-static';

export default function Page() {
  return (
    <main>
      <h1>Our products</h1>
      <Plain />
    </main>
  );
}

// Keeps the list of events fresh while the page is looked at. Without it, the button "Look again" does the same.
const EVERY_MS = 3000;
const list = document.getElementById('events');
// What the page was made for; the form may be typed into meanwhile.
const given = list && [...new FormData(document.getElementById('ask'))];

async function refresh() {
  if (!document.hidden) {
    const answer = await fetch(list.dataset.action, { method: 'POST', body: new URLSearchParams(given) });
    if (!answer.ok) return;
    const fresh = document.createElement('template');
    fresh.innerHTML = await answer.text();
    if (words(fresh.content) !== words(list)) list.replaceChildren(fresh.content);
  }
  setTimeout(keep, EVERY_MS);
}

const words = (part) => part.textContent.replace(/\s+/g, ' ').trim();
const keep = () => refresh().catch(() => {});
if (list) setTimeout(keep, EVERY_MS);

// What Algolia's snippet does before search-insights is there.
window.AlgoliaAnalyticsObject = 'aa';
window.aa = (...call) => window.aa.queue.push(call);
window.aa.queue = [];
window.aa.version = '2.17.3';

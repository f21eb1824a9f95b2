/** What the server tells those who have a page open, because nothing else on it says it. */

import { Notification } from '@jupyterlab/apputils';
import type { Event } from '@jupyterlab/services';

export const NOTICE = 'https://schemas.jupyter-gpu-bridge.dev/notices/v1';

const READ_WITHIN_MS = 15_000;

export function showNotices(events: Pick<Event.IManager, 'stream'>): void {
  events.stream.connect((_, emission) => {
    const text = emission['text'];
    if (emission.schema_id === NOTICE && typeof text === 'string') {
      Notification.warning(text, { autoClose: READ_WITHIN_MS });
    }
  });
}

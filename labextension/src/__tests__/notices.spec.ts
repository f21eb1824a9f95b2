import { Notification } from '@jupyterlab/apputils';

import { NOTICE, showNotices } from '../notices';
import { FakeEvents } from './examples';

describe('showNotices', () => {
  afterEach(() => {
    Notification.dismiss();
  });

  it('shows what the server tells, and nothing else', () => {
    const events = new FakeEvents();
    showNotices(events);
    const text = 'box cannot be reached now.';
    events.emit({ schema_id: NOTICE, kernel_id: '1', text });
    events.emit({ schema_id: NOTICE, kernel_id: '1', text: 7 });
    events.emit({ schema_id: 'https://elsewhere/v1', text: 'Win a prize!' });
    const shown = Notification.manager.notifications;
    expect(shown.map(({ message }) => message)).toEqual([text]);
  });
});

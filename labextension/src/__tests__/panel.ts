/** A panel on the page with a server that can be told what to answer, as a person finds it there. */

import { framePromise } from '@jupyterlab/testing';
import { Widget } from '@lumino/widgets';

import type { IActions } from '../actions';
import type { ISnapshot } from '../api';
import { ComputeModel } from '../model';
import { ComputePanel } from '../view';
import { FakeEvents, FakeServer, trans } from './examples';

export class PanelOnPage {
  readonly server = new FakeServer();
  readonly model = new ComputeModel({
    api: this.server.api,
    events: new FakeEvents(),
    isWatched: () => false
  });
  readonly actions: jest.Mocked<IActions> = {
    refresh: jest.fn(),
    newNotebook: jest.fn(),
    newNotebookOn: jest.fn(),
    openNotebook: jest.fn(),
    stop: jest.fn(),
    openLog: jest.fn(),
    endRental: jest.fn(),
    extendRental: jest.fn()
  };
  readonly panel = new ComputePanel(this.model, this.actions, trans);

  constructor() {
    Widget.attach(this.panel, document.body);
  }

  dispose(): void {
    this.panel.dispose();
    this.model.dispose();
  }

  /** The text of the panel once it shows what the server answered. */
  async shown(answer: ISnapshot): Promise<string> {
    this.server.answer = () => this.server.json(answer);
    await this.model.refresh();
    return this.rendered();
  }

  async rendered(): Promise<string> {
    await framePromise();
    await this.panel.renderPromise;
    await framePromise();
    return this.panel.node.textContent ?? '';
  }

  button(name: string): HTMLButtonElement {
    const found = [...this.panel.node.querySelectorAll('button')].find(
      each => (each.getAttribute('aria-label') ?? each.textContent) === name
    );
    if (!found) {
      throw new Error(`There is no button "${name}"`);
    }
    return found;
  }
}

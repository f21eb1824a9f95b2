/** A state as icon and words. */

import React from 'react';

import type { IShownState } from './shown';

interface IStateProps {
  readonly shown: IShownState;
  /** Whether a screen reader should say it when it changes. */
  readonly isAnnounced?: boolean;
}

export function State(props: IStateProps): React.ReactElement {
  const { words, icon: Icon, mood } = props.shown;
  return (
    <span
      className="jp-GpuBridge-state"
      data-mood={mood}
      role={props.isAnnounced ? 'status' : undefined}
    >
      <Icon.react tag="span" aria-hidden="true" />
      <span>{words}</span>
    </span>
  );
}

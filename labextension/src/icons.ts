/** The icon of the panel. */

import { LabIcon } from '@jupyterlab/ui-components';

import computeSource from '../style/icons/compute.svg';

export const computeIcon = new LabIcon({
  name: 'jupyter-gpu-bridge:compute',
  svgstr: computeSource
});

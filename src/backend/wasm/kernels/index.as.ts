export {
  convBackward,
  convFilterGradient,
  convForward,
  convInputGradient,
  convScratchBytes,
} from './conv.as';
export { depthwiseBackward, depthwiseFilterGradient } from './depthwise-backward.as';
export { depthwiseForward } from './depthwise-forward.as';
export { depthwiseInputGradient } from './depthwise-input.as';
export { depthwiseScratchBytes } from './depthwise-layout.as';
export { addInPlace, sgdMomentum } from './elementwise.as';
export { imageInput, imageInputScratchBytes } from './image-input.as';

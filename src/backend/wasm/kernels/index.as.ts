export { convFilterGradient, convForward, convInputGradient, convScratchBytes } from './conv.as';
export {
  depthwiseFilterGradient,
  depthwiseForward,
  depthwiseInputGradient,
  depthwiseScratchBytes,
} from './depthwise.as';
export { activationGradient, addInPlace, sgdMomentum } from './elementwise.as';

export { convLayer, convLayerBackward, depthwiseLayer, depthwiseLayerBackward, layerScratchBytes } from './batch-conv.as';
export { addBlockInput, finishBackward, finishForward, poolLayer, poolLayerBackward } from './batch-norm.as';
export { convBackward, convForward, convScratchBytes, packFilter, packFilterTransposed } from './conv.as';
export { depthwiseBackward, depthwiseForward } from './depthwise.as';
export { imageInput, imageInputScratchBytes } from './image-input.as';
export { poolBackward, poolForward } from './pool.as';
export {
  correctSource, finishRecomputed, finishRecomputedBackward, recomputedScratchBytes, sourceMoments,
} from './recomputed.as';
export { roundingOfSquare } from './tile.as';
export { addInPlace, clear, maskInPlace, sgdMomentum } from './update.as';

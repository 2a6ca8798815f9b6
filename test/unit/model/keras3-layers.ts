const dtype = {
  ...{ module: 'keras', class_name: 'DTypePolicy', config: { name: 'float32' }, registered_name: null },
};
/** What a layer of Keras 3 takes: the output of another. */
export const tensor = (layer: string) => ({
  class_name: '__keras_tensor__',
  config: { shape: [null, 7, 7, 16], dtype: 'float32', keras_history: [layer, 0, 0] },
});

/** A layer as Keras 3 serializes it. */
export function keras3Layer(class_name: string, config: Record<string, unknown>, inputs: readonly string[]) {
  const { batch_input_shape, ...rest } = config;
  const tensors = inputs.map(tensor);
  return {
    ...{ module: 'keras.layers', class_name, registered_name: null, name: config['name'] as string },
    config: {
      ...rest,
      dtype,
      ...(batch_input_shape === undefined ? {} : { batch_shape: batch_input_shape }),
    },
    build_config: { input_shape: [null, 7, 7, 16] },
    inbound_nodes:
      inputs.length === 0 ? [] : [{ args: [tensors.length === 1 ? tensors[0] : tensors], kwargs: {} }],
  };
}

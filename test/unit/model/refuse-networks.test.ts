import { beforeAll, describe, expect, test } from 'vitest';
import { mobileNetV1, mobileNetV2 } from './keras-networks.js';
import { savedByTfjs, type LooseModelJson, type SavedModel } from './model-folders.js';
import { layer, refusal } from './refusals.js';

let v1: SavedModel;
let v2: SavedModel;
beforeAll(async () => {
  v1 = await savedByTfjs(mobileNetV1({ top: 'dense' }));
  v2 = await savedByTfjs(mobileNetV2({ top: 'dense' }));
});

/** Takes a layer out and joins its neighbours. */
function remove(json: LooseModelJson, name: string): void {
  const { layers } = json.modelTopology.config;
  const [[[before]]] = layer(json, name).inbound_nodes as [[[string]]];
  json.modelTopology.config.layers = layers.filter((found) => found.name !== name);
  for (const { inbound_nodes: nodes } of layers) {
    for (const call of nodes as [string][][]) for (const from of call) if (from[0] === name) from[0] = before;
  }
}

/** Puts another layer in the place of one. */
function replace(json: LooseModelJson, name: string, className: string, config: object = {}): void {
  const found = layer(json, name);
  found.class_name = className;
  found.config = { name, ...config };
}

// prettier-ignore
const networks: [string, 1 | 2, (json: LooseModelJson) => unknown, RegExp][] = [
  ['an LSTM first', 1, (json) => replace(json, 'conv1_pad', 'LSTM'), /expected a convolution of 3 x 3.* after «input\d+», found LSTM «conv1_pad»/],
  ['an LSTM within', 1, (json) => replace(json, 'conv_dw_1', 'LSTM'), /expected a depthwise convolution .* after «conv1_relu», found LSTM «conv_dw_1»/],
  ['a nested model', 1, (json) => replace(json, 'conv_dw_1', 'Model'), /found a nested Model «conv_dw_1»/],
  ['a network that ends early', 1, (json) => json.modelTopology.config.layers.splice(-8), /after «conv_pw_12_relu», found the end of the network/],
  ['12 separable blocks', 1, (json) => { for (const part of ['conv_dw', 'conv_pw']) for (const end of ['', '_BN', '_relu']) remove(json, `${part}_13${end}`); }, /depthwise convolution .* after «conv_pw_12_relu», found GlobalAveragePooling2D «gap»/],
  ['14 separable blocks', 1, (json) => replace(json, 'gap', 'DepthwiseConv2D'), /expected the end or pooling after «conv_pw_13_relu», found DepthwiseConv2D «gap»/],
  ['a ReLU without maximum', 1, (json) => { layer(json, 'conv_dw_3_relu').config['max_value'] = null; }, /ReLU «conv_dw_3_relu»: expected the activation relu6 .* found relu with \{"max_value":null/],
  ['a leaky ReLU6', 1, (json) => { layer(json, 'conv_dw_3_relu').config['negative_slope'] = 0.1; }, /"negative_slope":0.1/],
  ['hard swish', 1, (json) => replace(json, 'conv1_relu', 'Activation', { activation: 'hard_swish' }), /Activation «conv1_relu».*found hard_swish/],
  ['no activation after the stem', 1, (json) => remove(json, 'conv1_relu'), /expected a convolution of 3 x 3, stride 2 or 1, with ReLU6.* found «conv1», .* no activation/],
  ['an activation before batch norm', 1, (json) => { layer(json, 'conv1').config['activation'] = 'relu6'; }, /BatchNormalization «conv1_BN» follows the activation of «conv1»/],
  ['dilation', 1, (json) => { layer(json, 'conv_dw_3').config['dilation_rate'] = [2, 2]; }, /«conv_dw_3»[^]*dilation_rate/],
  ['channels first', 1, (json) => { layer(json, 'conv1').config['data_format'] = 'channels_first'; }, /«conv1»[^]*data_format/],
  ['a depth multiplier', 1, (json) => { layer(json, 'conv_dw_3').config['depth_multiplier'] = 2; }, /«conv_dw_3»[^]*depth_multiplier/],
  ['groups', 1, (json) => { layer(json, 'conv_pw_3').config['groups'] = 2; }, /«conv_pw_3»[^]*groups/],
  ['unequal strides', 1, (json) => { layer(json, 'conv_dw_3').config['strides'] = [1, 2]; }, /«conv_dw_3»[^]*strides/],
  ['a 5 x 5 window', 1, (json) => { layer(json, 'conv_dw_3').config['kernel_size'] = [5, 5]; }, /found «conv_dw_3», a depthwise convolution of 5 x 5/],
  ['batch norm over rows', 1, (json) => { layer(json, 'conv1_BN').config['axis'] = 1; }, /«conv1_BN»[^]*axis/],
  ['symmetric padding', 1, (json) => { layer(json, 'conv1_pad').config['padding'] = [[1, 1], [1, 1]]; }, /«conv1»: expected padding like 'same', which is \[\[0,1\],\[0,1\]\] at 32 pixels with stride 2, found 'valid' after zero padding of \[\[1,1\],\[1,1\]\]/],
  ['padding before same', 1, (json) => { layer(json, 'conv1').config['padding'] = 'same'; }, /found 'same' after zero padding of \[\[0,1\],\[0,1\]\]/],
  ['no padding', 1, (json) => { remove(json, 'conv_dw_2_pad'); }, /found 'valid' after zero padding of \[\[0,0\],\[0,0\]\]/],
  ['grey images', 1, (json) => { json.modelTopology.config.layers[0]!.config['batch_input_shape'] = [null, 32, 32, 1]; }, /expected the shape \[null, size, size, 3\], found \[null,32,32,1\]/],
  ['oblong images', 1, (json) => { json.modelTopology.config.layers[0]!.config['batch_input_shape'] = [null, 32, 64, 3]; }, /found \[null,32,64,3\]/],
  ['a layer used twice', 1, (json) => { const { inbound_nodes: nodes } = layer(json, 'gap'); nodes.push(nodes[0]!); }, /«gap» is used more than once/],
  ['two layers of a name', 1, (json) => { const { layers } = json.modelTopology.config; layers.push(layers.at(-1)!); }, /two layers are called «predictions»/],
  ['an edge from nowhere', 1, (json) => { layer(json, 'gap').inbound_nodes = [[['ghost', 0, 0, {}]]]; }, /takes «ghost», which is no layer/],
  ['no input layer', 1, (json) => replace(json, json.modelTopology.config.layers[0]!.name, 'Dropout'), /expected one InputLayer, found none/],
  ['a branch', 1, (json) => { json.modelTopology.config.layers.push({ name: 'side', class_name: 'Flatten', config: {}, inbound_nodes: [[['conv_pw_5_relu', 0, 0, {}]]] }); }, /after «conv_pw_5_relu», found DepthwiseConv2D «conv_dw_6».* and Flatten «side»|found ZeroPadding2D .* and Flatten «side»/],
  ['a shortcut that V1 has not', 1, (json) => replace(json, 'conv_dw_3', 'Add'), /found Add «conv_dw_3»/],
  ['a shortcut to another block', 2, (json) => { (layer(json, 'block_5_add').inbound_nodes as [[[string], [string]]])[0][0][0] = 'block_2_add'; }, /found Conv2D «block_5_expand»|block_5_add/],
  ['a shortcut past the end of its block', 2, (json) => { const inputs = (name: string) => (layer(json, name).inbound_nodes as [[[string], [string]]])[0]; inputs('block_4_add')[0][0] = 'block_4_depthwise_relu'; inputs('block_5_add')[0][0] = 'block_3_project_BN'; }, /expected Add «block_5_add» to add «block_3_project_BN» to the end of its block, «block_4_project_BN»/],
  ['an addition of three', 2, (json) => { (layer(json, 'block_2_add').inbound_nodes as unknown[][][])[0]!.push(['block_1_depthwise_relu', 0, 0, {}]); }, /adds «block_1_project_BN» and «block_2_project_BN» and «block_1_depthwise_relu»/],
  ['a branch before an addition', 2, (json) => { json.modelTopology.config.layers.push({ name: 'side', class_name: 'Flatten', config: {}, inbound_nodes: [[['block_2_project_BN', 0, 0, {}]]] }); }, /expected Add «block_2_add» to add «block_1_project_BN»/],
  ['a multiplication for an addition', 2, (json) => replace(json, 'block_2_add', 'Multiply'), /Multiply «block_2_add»/],
  ['V2 with 16 inverted residuals', 2, (json) => { for (const part of ['expand', 'depthwise', 'project']) for (const end of ['', '_BN', '_relu']) if (part + end !== 'project_relu') remove(json, `block_16_${part}${end}`); }, /depthwise convolution .* after «Conv_1_relu», found GlobalAveragePooling2D/],
  ['a shortcut over stride 2', 2, (json) => { const { layers } = json.modelTopology.config; const add = { name: 'extra', class_name: 'Add', config: {}, inbound_nodes: [[['block_2_add', 0, 0, {}], ['block_3_project_BN', 0, 0, {}]]] }; for (const one of layers) for (const call of one.inbound_nodes as [string][][]) for (const from of call) if (from[0] === 'block_3_project_BN') from[0] = 'extra'; layers.push(add); }, /block_3 adds its input/],
];

describe('networks that are no MobileNet', () => {
  test.each(networks)('%s', async (_, version, change, message) => {
    expect(await refusal(version === 1 ? v1 : v2, (json) => void change(json))).toMatch(message);
  });
});

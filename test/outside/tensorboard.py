"""Reads TensorBoard event files with TensorFlow itself: its C library checks the checksums of every record and decodes the
messages by its own definitions of them. Compares what it finds with steps.jsonl and epochs.jsonl.

usage: tensorboard.py FOLDER_OF_LIBTENSORFLOW RUN..."""

import ctypes
import glob
import json
import struct
import sys

FLOAT, DOUBLE, INT32, STRING, INT64 = 1, 2, 3, 7, 9


def load(folder):
    library = ctypes.CDLL(f'{folder}/libtensorflow.so')
    for name in ['TF_NewGraph', 'TF_NewStatus', 'TF_NewOperation', 'TF_FinishOperation', 'TF_NewSessionOptions', 'TF_NewSession',
                 'TF_AllocateTensor', 'TF_TensorData']:
        getattr(library, name).restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_Version.restype = ctypes.c_char_p
    library.TF_Dim.restype = ctypes.c_int64
    return library


class Output(ctypes.Structure):
    _fields_ = [('operation', ctypes.c_void_p), ('index', ctypes.c_int)]


class Graph:
    def __init__(self, library):
        self.library, self.status = library, ctypes.c_void_p(library.TF_NewStatus())
        self.graph, self.count = ctypes.c_void_p(library.TF_NewGraph()), 0

    def check(self):
        if self.library.TF_GetCode(self.status) != 0:
            raise SystemExit(f'TensorFlow: {self.library.TF_Message(self.status).decode()}')

    def operation(self, kind, inputs=(), **attributes):
        self.count += 1
        made = ctypes.c_void_p(self.library.TF_NewOperation(self.graph, kind.encode(), f'op{self.count}'.encode()))
        for each in inputs:
            if isinstance(each, list):
                self.library.TF_AddInputList(made, (Output * len(each))(*each), len(each))
            else:
                self.library.TF_AddInput(made, each)
        for name, value in attributes.items():
            name = name.encode()
            if isinstance(value, bool):
                self.library.TF_SetAttrBool(made, name, ctypes.c_ubyte(value))
            elif isinstance(value, str):
                self.library.TF_SetAttrString(made, name, value.encode(), ctypes.c_size_t(len(value.encode())))
            elif isinstance(value, int):
                self.library.TF_SetAttrType(made, name, value)
            elif isinstance(value, ctypes.c_void_p):
                self.library.TF_SetAttrTensor(made, name, value, self.status)
            elif isinstance(value[0], int):
                self.library.TF_SetAttrTypeList(made, name, (ctypes.c_int * len(value))(*value), len(value))
            else:
                texts = [text.encode() for text in value]
                self.library.TF_SetAttrStringList(made, name, (ctypes.c_char_p * len(texts))(*texts),
                                                  (ctypes.c_size_t * len(texts))(*map(len, texts)), len(texts))
        finished = self.library.TF_FinishOperation(made, self.status)
        self.check()
        return lambda index=0: Output(finished, index)

    def constant(self, kind, data):
        tensor = ctypes.c_void_p(self.library.TF_AllocateTensor(kind, None, 0, ctypes.c_size_t(len(data))))
        ctypes.memmove(self.library.TF_TensorData(tensor), data, len(data))
        return self.operation('Const', dtype=kind, value=tensor)()

    def decoded(self, data, message, **fields):
        """The fields of messages, and how many of each a message has."""
        return self.operation('DecodeProtoV2', [data], message_type=message, field_names=list(fields),
                              output_types=list(fields.values()), descriptor_source='local://', message_format='binary')


def values(library, tensor):
    """A tensor's numbers or texts as one flat list."""
    tensor = ctypes.c_void_p(tensor)
    count = 1
    for axis in range(library.TF_NumDims(tensor)):
        count *= library.TF_Dim(tensor, axis)
    data = ctypes.string_at(library.TF_TensorData(tensor), library.TF_TensorByteSize(tensor))
    kind = library.TF_TensorType(tensor)
    if kind != STRING:
        letter = {FLOAT: 'f', DOUBLE: 'd', INT32: 'i', INT64: 'q'}[kind]
        return list(struct.unpack(f'<{count}{letter}', data))
    texts = []
    for offset in struct.unpack(f'<{count}Q', data[: 8 * count]):
        length = data[8 * count + offset]
        assert length < 128, 'longer than the tags of these files'
        start = 8 * count + offset + 1
        texts.append(data[start : start + length].decode())
    return texts


def read(library, path):
    """All scalars of an event file: (step, tag, value), and the times of its events."""
    graph = Graph(library)
    name = path.encode()
    file = graph.constant(STRING, struct.pack('<Q', 0) + bytes([len(name)]) + name)
    queue = graph.operation('FIFOQueueV2', component_types=[STRING])()
    enqueue = graph.operation('QueueEnqueueV2', [queue, [file]])()
    close = graph.operation('QueueCloseV2', [queue])()
    reader = graph.operation('TFRecordReaderV2')()
    most = graph.constant(INT64, struct.pack('<q', 1_000_000))
    records = graph.operation('ReaderReadUpToV2', [reader, queue, most])(1)
    event = graph.decoded(records, 'tensorflow.Event', wall_time=DOUBLE, step=INT64, summary=STRING, file_version=STRING)
    first = graph.constant(INT32, struct.pack('<i', 0))
    summaries = graph.operation('Squeeze', [event(3)])()
    summary = graph.decoded(summaries, 'tensorflow.Summary', value=STRING)
    value = graph.decoded(summary(1), 'tensorflow.Summary.Value', tag=STRING, simple_value=FLOAT)
    options = ctypes.c_void_p(library.TF_NewSessionOptions())
    session = ctypes.c_void_p(library.TF_NewSession(graph.graph, options, graph.status))
    graph.check()

    def run(outputs, targets=()):
        results = (ctypes.c_void_p * len(outputs))()
        library.TF_SessionRun(session, None, None, None, 0, (Output * len(outputs))(*outputs), results, len(outputs),
                              (ctypes.c_void_p * len(targets))(*[target.operation for target in targets]), len(targets),
                              None, graph.status)
        graph.check()
        return [values(library, result) for result in results]

    run([], [enqueue])
    run([], [close])
    times, steps, versions, counts, tags, numbers = run([event(1), event(2), event(4), summary(0), value(1), value(2)])
    assert versions[0] == 'brain.Event:2', versions[0]
    widest = max(counts)
    found = [
        (step, tags[i * widest + k], numbers[i * widest + k])
        for i, (step, count) in enumerate(zip(steps, counts))
        for k in range(count)
    ]
    return found, times


def expected(run):
    single = lambda number: struct.unpack('<f', struct.pack('<f', number))[0]
    lines = lambda name: [json.loads(line) for line in open(f'{run}/{name}.jsonl')]
    found, last = [], {}
    for line in lines('steps'):
        last[line['epoch']] = line['step']
        for tag, key in [('train/loss', 'loss'), ('train/learning rate', 'learningRate'), ('train/momentum', 'momentum')]:
            found.append((line['step'], tag, single(line[key])))
    for line in lines('epochs'):
        for tag, key in [('epoch/train loss', 'trainLoss'), ('epoch/validation loss', 'validLoss'),
                         ('epoch/validation accuracy', 'validAccuracy')]:
            found.append((last[line['epoch']], tag, single(line[key])))
    return found


def main(folder, *runs):
    library = load(folder)
    for run in runs:
        files = glob.glob(f'{run}/*.tfevents.*')
        assert len(files) == 1, f'{run} holds {len(files)} event files'
        found, times = read(library, files[0])
        assert sorted(found) == sorted(expected(run)), f'{files[0]} is not what {run} records'
        assert times == sorted(times), f'{files[0]}: times go back'
        print(f'{files[0]}: {len(found)} scalars, as recorded (TensorFlow {library.TF_Version().decode()})')


main(*sys.argv[1:])

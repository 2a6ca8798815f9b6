import { messageOf, UsageError } from '../../errors.js';
import { parseJson, readWholeFile } from '../../files.js';

/** A file of a data set, as its publisher offers it. */
export interface PublishedFile {
  readonly url: string;
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** Who states size and checksum. */
  readonly statedBy: string | null;
}

/** How the files of a data set become a folder of parts and classes. */
export type DataSetLayout =
  /** Below `top` lie parts and classes as they are wanted. `classNames` has better names for them, `leftOut` files that are no images of a class. */
  | {
      readonly kind: 'folders';
      readonly top: string;
      readonly classNames?: Readonly<Record<string, string>>;
      readonly leftOut?: readonly string[];
    }
  /** CIFAR-10's binary version: records of a label and 32 x 32 pixels. Each becomes a PNG. */
  | { readonly kind: 'cifar10' }
  /**
   * All images in one folder, and two lists that say which are for training and which for validation: a name a line, without its
   * ending. A class is what stands before the name's last underscore.
   */
  | { readonly kind: 'listed'; readonly images: string; readonly train: string; readonly valid: string };

/** A data set that can be named instead of a folder. */
export interface DataSet {
  readonly name: string;
  readonly about: string;
  readonly classes: number;
  /** `valid` is null where the publisher made no such part. */
  readonly images: { readonly train: number; readonly valid: number | null };
  readonly files: readonly PublishedFile[];
  readonly layout: DataSetLayout;
  readonly licence: string;
  readonly citation: string;
  readonly homepage: string;
}

/** The names that fast.ai's page gives Imagenette's classes, by the WordNet numbers that its folders have. */
const IMAGENETTE = {
  n01440764: 'tench',
  n02102040: 'English springer',
  n02979186: 'cassette player',
  n03000684: 'chain saw',
  n03028079: 'church',
  n03394916: 'French horn',
  n03417042: 'garbage truck',
  n03425413: 'gas pump',
  n03445777: 'golf ball',
  n03888257: 'parachute',
} as const;

const TFDS = 'TensorFlow Datasets';

function imagenette(name: string, pixels: number, bytes: number, sha256: string): DataSet {
  return {
    name,
    about: `ten easily told classes of ImageNet, short side ${pixels} pixels`,
    classes: 10,
    images: { train: 9469, valid: 3925 },
    files: [
      {
        url: `https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-${pixels}.tgz`,
        ...{ bytes, sha256 },
        statedBy: `${TFDS}: datasets/imagenette/checksums.tsv`,
      },
    ],
    layout: { kind: 'folders', top: `imagenette2-${pixels}`, classNames: IMAGENETTE },
    licence: "images under ImageNet's terms: research and education, not for commerce",
    citation: 'Jeremy Howard, Imagenette, 2019; ImageNet: Deng and others, CVPR 2009',
    homepage: 'https://github.com/fastai/imagenette',
  };
}

/**
 * Every data set that `--data` knows by name. Sizes and checksums are those that `statedBy` publishes; numbers of images are those
 * of the publishers' own descriptions.
 */
export const DATA_SETS: readonly DataSet[] = [
  {
    name: 'ants-bees',
    about: "photographs of ants and bees, from PyTorch's transfer-learning tutorial",
    classes: 2,
    images: { train: 244, valid: 153 },
    files: [
      {
        url: 'https://download.pytorch.org/tutorial/hymenoptera_data.zip',
        bytes: 47_286_322,
        sha256: 'fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209',
        statedBy: 'PyTorch: tutorials/.jenkins/download_data.py (the size: those who have it)',
      },
    ],
    // A picture of the words «image not found» lies among the ants.
    layout: { kind: 'folders', top: 'hymenoptera_data', leftOut: ['imageNotFound.gif'] },
    licence: 'none stated; a small part of ImageNet: research and education, not for commerce',
    citation: 'Sasank Chilamkurthy, Transfer Learning for Computer Vision Tutorial, PyTorch, 2017',
    homepage: 'https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html',
  },
  {
    name: 'cifar10',
    about: 'thumbnails of 32 x 32 pixels in ten classes; its test images are the validation part',
    classes: 10,
    images: { train: 50_000, valid: 10_000 },
    files: [
      {
        url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
        bytes: 170_052_171,
        sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
        statedBy: `${TFDS}: url_checksums/cifar10.txt`,
      },
    ],
    layout: { kind: 'cifar10' },
    licence: 'none stated; its authors ask for the citation',
    citation:
      'Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009',
    homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
  },
  imagenette(
    'imagenette',
    160,
    99_003_388,
    '64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5',
  ),
  imagenette(
    'imagenette-320',
    320,
    341_663_724,
    '569b4497c98db6dd29f335d1f109cf315fe127053cedf69010d047f0188e158c',
  ),
  {
    name: 'flowers',
    about: 'photographs of daisies, dandelions, roses, sunflowers and tulips; not split by its publisher',
    classes: 5,
    images: { train: 3670, valid: null },
    files: [
      {
        url: 'https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz',
        bytes: 228_813_984,
        sha256: '4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c',
        statedBy: `${TFDS}: url_checksums/tf_flowers.txt`,
      },
    ],
    layout: { kind: 'folders', top: 'flower_photos' },
    licence: 'CC BY 2.0; the photographers are named in its LICENSE.txt',
    citation: 'The TensorFlow Team, Flowers, 2019',
    homepage: 'https://www.tensorflow.org/tutorials/load_data/images',
  },
  {
    name: 'oxford-pets',
    about: 'photographs of 37 breeds of cats and dogs; its test images are the validation part',
    classes: 37,
    images: { train: 3680, valid: 3669 },
    files: [
      {
        url: 'https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz',
        bytes: 19_173_078,
        sha256: '52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91',
        statedBy: `${TFDS}: url_checksums/oxford_iiit_pet.txt`,
      },
      {
        url: 'https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz',
        bytes: 791_918_971,
        sha256: '67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d',
        statedBy: `${TFDS}: url_checksums/oxford_iiit_pet.txt`,
      },
    ],
    layout: {
      kind: 'listed',
      images: 'images',
      train: 'annotations/trainval.txt',
      valid: 'annotations/test.txt',
    },
    licence: 'CC BY-SA 4.0; the copyright remains with the photographers',
    citation: 'Omkar Parkhi, Andrea Vedaldi, Andrew Zisserman, C. V. Jawahar, Cats and Dogs, CVPR 2012',
    homepage: 'https://www.robots.ox.ac.uk/~vgg/data/pets/',
  },
];

/** The data set that comes with the package. */
export const BUNDLED_DATA = {
  name: 'cifar10-mini',
  about: '1,400 thumbnails of CIFAR-10, in ten classes',
  classes: 10,
  images: { train: 1000, valid: 400 },
  licence: 'none stated; its authors ask for the citation',
  citation:
    'Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009',
  homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
} as const;

/** What may stand for a data set instead of a path. */
const NAME = /^[\w][\w.-]*$/u;

/** A name's data set: one of a table of the user's own, which ONECYCLE_CATALOG names, else one of DATA_SETS; undefined where there is none. */
export async function findDataSet(name: string): Promise<DataSet | undefined> {
  if (!NAME.test(name)) return undefined;
  return (await allDataSets()).find((set) => set.name === name);
}

/** All data sets that have a name; a user's own take the place of others of their name. Throws UsageError where that table is wrong. */
export async function allDataSets(): Promise<readonly DataSet[]> {
  const file = process.env['ONECYCLE_CATALOG'] ?? '';
  if (file === '') return DATA_SETS;
  const own = await readCatalog(file);
  return [...own, ...DATA_SETS.filter(({ name }) => !own.some((set) => set.name === name))];
}

/** A catalog is a few lines a data set. */
const LARGEST_CATALOG = 10e6;

async function readCatalog(file: string): Promise<readonly DataSet[]> {
  const refuse = (reason: string): never => {
    throw new UsageError(
      `${file}, which ONECYCLE_CATALOG names, is no table of data sets: ${reason}. "onecycle help data-sets" shows one; correct it, or unset ONECYCLE_CATALOG.`,
    );
  };
  const text = await readWholeFile(file, LARGEST_CATALOG).then(String, (error: unknown) =>
    refuse(messageOf(error)),
  );
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    refuse(messageOf(error));
  }
  // Loading it takes longer than all that is done without a table.
  const { z } = await import('zod');
  const count = z.number().int().positive();
  const inside = z
    .string()
    .regex(/^(?!.*(^|[/\\])\.\.([/\\]|$))[^/\\]/u, 'expected a path inside of the archive');
  const layout = z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('folders'),
      top: z.union([z.literal(''), inside]),
      classNames: z.record(z.string(), z.string().regex(/^[^/\\.][^/\\]*$/u)).exactOptional(),
      leftOut: z.array(z.string()).exactOptional(),
    }),
    z.strictObject({ kind: z.literal('cifar10') }),
    z.strictObject({ kind: z.literal('listed'), images: inside, train: inside, valid: inside }),
  ]);
  const url = z
    .url({ protocol: /^https?$/u })
    .regex(/\/[\w][\w.+-]*$/u, 'expected an address that ends with the name of a file');
  const schema = z.array(
    z.strictObject({
      name: z.string().regex(NAME),
      about: z.string().min(1),
      classes: count,
      images: z.strictObject({ train: count, valid: count.nullable() }),
      files: z
        .array(
          z.strictObject({
            url,
            bytes: count.nullable().default(null),
            sha256: z
              .string()
              .regex(/^[0-9a-f]{64}$/u)
              .nullable()
              .default(null),
            statedBy: z.string().nullable().default(null),
          }),
        )
        .min(1),
      layout,
      licence: z.string().min(1),
      citation: z.string().default(''),
      homepage: z.string().default(''),
    }),
  );
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return refuse(`${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not as expected'}`);
}

// Package sbom makes the bill of materials of a finished image: which packages
// are in it, where each came from, under which licence, and which of the
// image's files belong to it. It reads the image itself, layer by layer, and
// takes from the definition and the lock what the image cannot tell.
//
// Every file belongs to exactly one package. Who owns a file is decided in
// this order:
//
//  1. a Debian package, by dpkg's database, if the file lies in a debian layer
//     or in that of an existing image;
//  2. the shim, for the layer imgbuild itself makes;
//  3. an npm package, by the nearest package.json with a name and a version;
//  4. a locked input (Node.js, esbuild, the Go toolchain), by the layer that
//     was made from it, where the image has no package.json of it;
//  5. the existing image that the image stands on, for its layers;
//  6. the image itself: the files of `files` layers, dpkg's own database, and
//     what stands for the effects of maintainer scripts (ld.so.cache, passwd,
//     the CA bundle, alternatives).
//
// Packages without files of their own are inside another one: the Go modules
// that a program was compiled from, the gems that Debian's Ruby ships.
//
// A document is a pure function of the image, its definition, its lock and the
// options. Nothing in it names a host that the inputs were fetched from.
package sbom

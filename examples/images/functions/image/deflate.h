/// \file  A fast deflate encoder for filtered pixels (RFC 1950 and 1951). It looks hard for nothing: long repeats are
/// found, short ones, which in photographs cost more than the literals they replace, are not looked for.
#pragma once
#include "image/bytes.h"

namespace image {

/// \return a zlib stream, or a buffer that is false when there is no memory; never longer than 12 + input * 1.0002
/// bytes
Buffer compress(Bytes input);

}  // namespace image

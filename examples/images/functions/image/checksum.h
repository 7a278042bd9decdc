/// \file  The checksums of zlib (RFC 1950, Adler-32) and PNG (ISO 3309, CRC-32).
#pragma once
#include <cstdint>

#include "image/bytes.h"

namespace image {

std::uint32_t adler32(Bytes bytes);

/// `before` is the checksum of what stands before these bytes, 0 at the start.
std::uint32_t crc32(Bytes bytes, std::uint32_t before = 0);

}  // namespace image

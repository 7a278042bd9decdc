/// \file  The SSE2 intrinsics that stb_image's JPEG kernels use, in WebAssembly's 128-bit SIMD. With them the guest
/// decodes with the kernels of a native build, bit for bit. Only for decode.cc; semantics: Intel Intrinsics Guide.
#pragma once
#include <wasm_simd128.h>

using __m128i = v128_t;

inline __m128i _mm_setzero_si128() {
  return wasm_i32x4_const_splat(0);
}
inline __m128i _mm_set1_epi8(char v) {
  return wasm_i8x16_splat(v);
}
inline __m128i _mm_set1_epi16(short v) {
  return wasm_i16x8_splat(v);
}
inline __m128i _mm_set1_epi32(int v) {
  return wasm_i32x4_splat(v);
}
inline __m128i _mm_setr_epi16(short a, short b, short c, short d, short e, short f, short g, short h) {
  return wasm_i16x8_make(a, b, c, d, e, f, g, h);
}

inline __m128i _mm_load_si128(const __m128i* from) {
  return wasm_v128_load(from);
}
inline __m128i _mm_loadl_epi64(const __m128i* from) {
  return wasm_v128_load64_zero(from);
}
inline void _mm_storeu_si128(__m128i* to, __m128i v) {
  wasm_v128_store(to, v);
}
inline void _mm_storel_epi64(__m128i* to, __m128i v) {
  wasm_v128_store64_lane(to, v, 0);
}

inline __m128i _mm_add_epi16(__m128i a, __m128i b) {
  return wasm_i16x8_add(a, b);
}
inline __m128i _mm_add_epi32(__m128i a, __m128i b) {
  return wasm_i32x4_add(a, b);
}
inline __m128i _mm_sub_epi16(__m128i a, __m128i b) {
  return wasm_i16x8_sub(a, b);
}
inline __m128i _mm_sub_epi32(__m128i a, __m128i b) {
  return wasm_i32x4_sub(a, b);
}
inline __m128i _mm_xor_si128(__m128i a, __m128i b) {
  return wasm_v128_xor(a, b);
}
inline __m128i _mm_madd_epi16(__m128i a, __m128i b) {
  return wasm_i32x4_dot_i16x8(a, b);
}
inline __m128i _mm_mulhi_epi16(__m128i a, __m128i b) {
  return wasm_i16x8_shuffle(wasm_i32x4_extmul_low_i16x8(a, b), wasm_i32x4_extmul_high_i16x8(a, b), 1, 3, 5, 7, 9, 11,
                            13, 15);
}

inline __m128i _mm_slli_epi16(__m128i a, unsigned n) {
  return wasm_i16x8_shl(a, n);
}
inline __m128i _mm_srli_epi16(__m128i a, unsigned n) {
  return wasm_u16x8_shr(a, n);
}
inline __m128i _mm_srai_epi16(__m128i a, unsigned n) {
  return wasm_i16x8_shr(a, n);
}
inline __m128i _mm_srai_epi32(__m128i a, unsigned n) {
  return wasm_i32x4_shr(a, n);
}

inline __m128i _mm_packs_epi32(__m128i a, __m128i b) {
  return wasm_i16x8_narrow_i32x4(a, b);
}
inline __m128i _mm_packus_epi16(__m128i a, __m128i b) {
  return wasm_u8x16_narrow_i16x8(a, b);
}
inline __m128i _mm_unpacklo_epi8(__m128i a, __m128i b) {
  return wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline __m128i _mm_unpackhi_epi8(__m128i a, __m128i b) {
  return wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
inline __m128i _mm_unpacklo_epi16(__m128i a, __m128i b) {
  return wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
inline __m128i _mm_unpackhi_epi16(__m128i a, __m128i b) {
  return wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

// Lanes and byte shifts must be literals in WebAssembly. stb_image shifts by one lane of 16 bits only.
#define _mm_insert_epi16(a, v, lane) wasm_i16x8_replace_lane(a, lane, static_cast<short>(v))
#define _mm_shuffle_epi32(a, m) wasm_i32x4_shuffle(a, a, (m) & 3, ((m) >> 2) & 3, ((m) >> 4) & 3, ((m) >> 6) & 3)
inline __m128i _mm_slli_si128(__m128i a, int) {
  return wasm_i16x8_shuffle(_mm_setzero_si128(), a, 0, 8, 9, 10, 11, 12, 13, 14);
}
inline __m128i _mm_srli_si128(__m128i a, int) {
  return wasm_i16x8_shuffle(a, _mm_setzero_si128(), 1, 2, 3, 4, 5, 6, 7, 8);
}

/// memset of a block of coefficients without a call: clang has no vector stores for it.
__attribute__((always_inline)) inline void* wasm_memset(void* to, int value, unsigned long size) {
  constexpr unsigned long kBlock = 64 * sizeof(short);
  if (!__builtin_constant_p(size) || size != kBlock || value != 0) {
    return __builtin_memset(to, value, size);
  }
  for (unsigned long at = 0; at < kBlock; at += sizeof(v128_t)) {
    wasm_v128_store(static_cast<char*>(to) + at, _mm_setzero_si128());
  }
  return to;
}

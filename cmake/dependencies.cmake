# What others made. Everything here is installed or fetched by tools/setup.sh; docs/decisions/ says why each was chosen.

set(TRILBY_CACHE "$ENV{HOME}/.cache/trilby" CACHE PATH "Where set-up keeps what it fetched and built")
set(TRILBY_VENV "${CMAKE_SOURCE_DIR}/build/venv" CACHE PATH "Python environment made by set-up")
set(TRILBY_LLHTTP "${CMAKE_SOURCE_DIR}/build/llhttp" CACHE PATH "llhttp's C sources, unpacked by set-up")

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libseccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(libnghttp2 REQUIRED IMPORTED_TARGET libnghttp2)

# Boost 1.81's Asio is header-only; Debian keeps these headers apart from its default Boost.
add_library(trilby_asio INTERFACE)
target_compile_definitions(trilby_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY)
target_link_libraries(trilby_asio INTERFACE Threads::Threads)

add_library(trilby_llhttp STATIC ${TRILBY_LLHTTP}/src/llhttp.c ${TRILBY_LLHTTP}/src/api.c ${TRILBY_LLHTTP}/src/http.c)
target_include_directories(trilby_llhttp SYSTEM PUBLIC ${TRILBY_LLHTTP}/include)

# The engine: Rust, built by cargo into the cache so that clones share it.
set(engine_target ${TRILBY_CACHE}/engine-target)
set(engine_library ${engine_target}/release/libtrilby_engine.a)
file(GLOB engine_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/engine/src/*.rs)
add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/libtrilby_engine.a
  COMMAND ${CMAKE_COMMAND} -E env CARGO_TARGET_DIR=${engine_target} TRILBY_ENGINE_INCLUDE=${engine_target}/include
          cargo build --release --locked --manifest-path ${CMAKE_SOURCE_DIR}/engine/Cargo.toml
  COMMAND ${CMAKE_COMMAND} -E copy_if_different ${engine_library} ${CMAKE_BINARY_DIR}/libtrilby_engine.a
  COMMAND ${CMAKE_COMMAND} -E copy_directory ${engine_target}/include ${CMAKE_BINARY_DIR}/engine-include
  DEPENDS ${engine_sources} ${CMAKE_SOURCE_DIR}/engine/Cargo.toml ${CMAKE_SOURCE_DIR}/engine/Cargo.lock
          ${CMAKE_SOURCE_DIR}/engine/build.rs
  COMMENT "Building the engine (Wasmtime; minutes the first time, then cached)"
  USES_TERMINAL VERBATIM)
add_custom_target(trilby_engine_build DEPENDS ${CMAKE_BINARY_DIR}/libtrilby_engine.a)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/engine-include)
add_library(trilby_engine STATIC IMPORTED GLOBAL)
set_target_properties(trilby_engine PROPERTIES IMPORTED_LOCATION ${CMAKE_BINARY_DIR}/libtrilby_engine.a
                                               INTERFACE_INCLUDE_DIRECTORIES ${CMAKE_BINARY_DIR}/engine-include)
target_link_libraries(trilby_engine INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
add_dependencies(trilby_engine trilby_engine_build)

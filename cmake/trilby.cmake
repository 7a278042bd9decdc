# The only verbs of the tree. Flags, sanitizers and the test runner live behind them.
#
#   trilby_library(<name> SOURCES ... [HEADERS ...] [DEPS ...])   -> target trilby_<name>, alias trilby::<name>
#   trilby_test(<name> [ENGINE] SOURCES ... [DEPS ...])           -> executable <name>, one ctest entry; ENGINE: runs real
#                                                                    guests or models, in libraries whose fibers and locks
#                                                                    ThreadSanitizer does not see, or locks a process down,
#                                                                    which its own thread keeps it from: not in its preset
#   trilby_fuzzer(<name> SOURCES ... [DEPS ...])                  -> executable <name>, in the fuzz preset only
#   trilby_embed(<name> FUNCTION <f> TYPE <t> INCLUDE <header> FILES ...)
#                                                                 -> <f>() gives a vector of <t>{name, text}, one for each
#                                                                    file, as part of the library <name>
#
# DEPS name our own libraries without the prefix (base, http) or any CMake target (OpenSSL::Crypto).

option(TRILBY_FUZZ "Build the fuzz targets (clang only)" OFF)
set(TRILBY_SANITIZE "" CACHE STRING "Value of -fsanitize=, empty for none")

add_library(trilby_flags INTERFACE)
target_compile_options(trilby_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
target_include_directories(trilby_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(TRILBY_SANITIZE)
  add_compile_options(-fsanitize=${TRILBY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TRILBY_SANITIZE})
endif()
if(TRILBY_SANITIZE MATCHES "thread")
  add_compile_options(-Wno-tsan)  # Asio has fences, which ThreadSanitizer does not follow; none of ours rests on one
endif()
if(TRILBY_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

# Turns the names in DEPS into targets.
function(trilby_resolve_deps out)
  set(resolved "")
  foreach(dep IN LISTS ARGN)
    if(TARGET trilby_${dep})
      list(APPEND resolved trilby_${dep})
    else()
      list(APPEND resolved ${dep})
    endif()
  endforeach()
  set(${out} ${resolved} PARENT_SCOPE)
endfunction()

function(trilby_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;DEPS" ${ARGN})
  trilby_resolve_deps(deps ${arg_DEPS})
  if(arg_SOURCES)
    add_library(trilby_${name} STATIC ${arg_SOURCES})
    target_link_libraries(trilby_${name} PUBLIC trilby_flags ${deps})
  else()
    add_library(trilby_${name} INTERFACE)
    target_link_libraries(trilby_${name} INTERFACE trilby_flags ${deps})
  endif()
  add_library(trilby::${name} ALIAS trilby_${name})
endfunction()

function(trilby_test name)
  if(TRILBY_FUZZ)
    return()
  endif()
  cmake_parse_arguments(arg "ENGINE" "" "SOURCES;DEPS" ${ARGN})
  if(arg_ENGINE AND TRILBY_SANITIZE MATCHES "thread")
    return()
  endif()
  trilby_resolve_deps(deps ${arg_DEPS})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE trilby_flags ${deps} GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

function(trilby_fuzzer name)
  if(NOT TRILBY_FUZZ)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  trilby_resolve_deps(deps ${arg_DEPS})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE trilby_flags ${deps})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_dependencies(fuzzers ${name})
endfunction()

function(trilby_embed name)
  cmake_parse_arguments(arg "" "FUNCTION;TYPE;INCLUDE" "FILES" ${ARGN})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}_embedded.cc)
  set(script ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DFUNCTION=${arg_FUNCTION} -DTYPE=${arg_TYPE} -DINCLUDE=${arg_INCLUDE}
            "-DFILES=${arg_FILES}" -P ${script}
    DEPENDS ${arg_FILES} ${script}
    VERBATIM)
  target_sources(trilby_${name} PRIVATE ${out})
endfunction()

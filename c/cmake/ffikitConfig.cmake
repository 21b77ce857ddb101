# find_package(ffikit) gives the targets ffikit::ffikit (shared) and
# ffikit::ffikit_static. The prefix is found from this file, so the tree can be
# moved.
get_filename_component(_ffikit_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

foreach(_ffikit_file include/ffikit/ffikit.h lib/libffikit.so.0 lib/libffikit.a)
  if(NOT EXISTS "${_ffikit_prefix}/${_ffikit_file}")
    set(ffikit_FOUND FALSE)
    set(ffikit_NOT_FOUND_MESSAGE "${_ffikit_prefix}/${_ffikit_file} is missing; install ffikit again")
    return()
  endif()
endforeach()

set(THREADS_PREFER_PTHREAD_FLAG ON)
include(CMakeFindDependencyMacro)
find_dependency(Threads)

if(NOT TARGET ffikit::ffikit)
  add_library(ffikit::ffikit SHARED IMPORTED)
  set_target_properties(ffikit::ffikit PROPERTIES
    IMPORTED_LOCATION "${_ffikit_prefix}/lib/libffikit.so.0"
    IMPORTED_SONAME "libffikit.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "${_ffikit_prefix}/include")

  add_library(ffikit::ffikit_static STATIC IMPORTED)
  set_target_properties(ffikit::ffikit_static PROPERTIES
    IMPORTED_LOCATION "${_ffikit_prefix}/lib/libffikit.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_ffikit_prefix}/include"
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()

unset(_ffikit_file)
unset(_ffikit_prefix)

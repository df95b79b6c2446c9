//! S3 on a folder: s3s-fs, with the few calls about versions that it lacks.
//!
//! One version per object, `null`, as in a bucket without versioning; signatures are checked.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use base64::Engine as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    GetBucketVersioningInput, GetBucketVersioningOutput, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsV2Input, ObjectVersion, ObjectVersionStorageClass,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

/// What a call of the `S3` trait returns, written out: the trait is made with `async_trait`.
type Answer<'a, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'a>>;

/// The version id of every object in a bucket without versioning.
const ONLY_VERSION: &str = "null";

/// The platform's bucket; cheap to clone.
#[derive(Clone)]
pub struct Bucket(S3Service);

impl Bucket {
    /// Opens the folder and makes the bucket in it if it is not there yet.
    ///
    /// # Errors
    /// With a text for people when the folder cannot be made or read.
    pub fn open(
        root: &Path,
        name: &str,
        access_key_id: &str,
        secret_access_key: &str,
    ) -> Result<Self, String> {
        std::fs::create_dir_all(root.join(name))
            .map_err(|error| format!("cannot make {}: {error}", root.display()))?;
        let files = FileSystem::new(root).map_err(|_| format!("cannot open {}", root.display()))?;
        let mut service = S3ServiceBuilder::new(Versioned {
            files,
            root: root.to_owned(),
        });
        service.set_auth(SimpleAuth::from_single(access_key_id, secret_access_key));
        Ok(Self(service.build()))
    }

    /// Speaks S3 (path style) to whoever connects, until the listener fails.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        loop {
            let (socket, _) = listener.accept().await?;
            let _ = socket.set_nodelay(true);
            let service = self.0.clone();
            tokio::spawn(async move {
                // A broken connection is the client's business, who sees it too.
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    }
}

struct Versioned {
    files: FileSystem,
    root: PathBuf,
}

impl Versioned {
    /// Deletes an object with what s3s-fs keeps beside it, which would name it for ever.
    async fn delete(&self, request: S3Request<DeleteObjectInput>) -> S3Result<()> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        if request
            .input
            .version_id
            .as_deref()
            .is_some_and(|version| version != ONLY_VERSION)
        {
            return Err(s3_error!(NoSuchVersion));
        }
        self.files.delete_object(request).await?;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        for kind in ["metadata", "internal"] {
            let beside = format!(
                ".bucket-{}.object-{}.{kind}.json",
                encode(&bucket),
                encode(&key)
            );
            match tokio::fs::remove_file(self.root.join(beside)).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(s3_error!(InternalError));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn delete_each(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let S3Request {
            input,
            method,
            uri,
            headers,
            extensions,
            credentials,
            region,
            service,
            ..
        } = request;
        let mut deleted = Vec::new();
        let mut extensions = Some(extensions);
        for object in input.delete.objects {
            let one = DeleteObjectInput::builder()
                .bucket(input.bucket.clone())
                .key(object.key.clone())
                .version_id(object.version_id.clone())
                .build()
                .map_err(|_| s3_error!(InvalidArgument))?;
            let one = S3Request {
                input: one,
                method: method.clone(),
                uri: uri.clone(),
                headers: headers.clone(),
                extensions: extensions.take().unwrap_or_default(),
                credentials: credentials.clone(),
                region: region.clone(),
                service: service.clone(),
                trailing_headers: None,
            };
            self.delete(one).await?;
            deleted.push(DeletedObject {
                key: Some(object.key),
                version_id: object.version_id,
                ..Default::default()
            });
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            ..Default::default()
        }))
    }

    async fn versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let asked = request.input.clone();
        let list = ListObjectsV2Input::builder()
            .bucket(asked.bucket.clone())
            .prefix(asked.prefix.clone())
            .delimiter(asked.delimiter.clone())
            .max_keys(asked.max_keys)
            .start_after(asked.key_marker.clone())
            .build()
            .map_err(|_| s3_error!(InvalidArgument))?;
        let listed = self
            .files
            .list_objects_v2(request.map_input(|_| list))
            .await?
            .output;
        let versions: Vec<ObjectVersion> = listed
            .contents
            .unwrap_or_default()
            .into_iter()
            .map(|object| ObjectVersion {
                e_tag: object.e_tag,
                is_latest: Some(true),
                key: object.key,
                last_modified: object.last_modified,
                size: object.size,
                storage_class: Some(ObjectVersionStorageClass::from_static(
                    ObjectVersionStorageClass::STANDARD,
                )),
                version_id: Some(ONLY_VERSION.to_owned()),
                ..Default::default()
            })
            .collect();
        let truncated = listed.is_truncated.unwrap_or(false);
        let next_key = versions
            .last()
            .and_then(|version| version.key.clone())
            .filter(|_| truncated);
        Ok(S3Response::new(ListObjectVersionsOutput {
            common_prefixes: listed.common_prefixes,
            delimiter: asked.delimiter,
            is_truncated: Some(truncated),
            key_marker: asked.key_marker,
            max_keys: listed.max_keys,
            name: Some(asked.bucket),
            next_version_id_marker: next_key.as_ref().map(|_| ONLY_VERSION.to_owned()),
            next_key_marker: next_key,
            prefix: asked.prefix,
            versions: Some(versions),
            ..Default::default()
        }))
    }
}

/// Calls that s3s-fs answers as they are.
macro_rules! pass_on {
    ($($call:ident: $input:ident -> $output:ident,)*) => {$(
        fn $call<'a, 'b>(&'a self, request: S3Request<s3s::dto::$input>) -> Answer<'b, s3s::dto::$output>
        where
            'a: 'b,
            Self: 'b,
        {
            self.files.$call(request)
        }
    )*};
}

impl S3 for Versioned {
    pass_on! {
        create_bucket: CreateBucketInput -> CreateBucketOutput,
        copy_object: CopyObjectInput -> CopyObjectOutput,
        get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput,
        get_object: GetObjectInput -> GetObjectOutput,
        head_bucket: HeadBucketInput -> HeadBucketOutput,
        head_object: HeadObjectInput -> HeadObjectOutput,
        list_buckets: ListBucketsInput -> ListBucketsOutput,
        list_objects: ListObjectsInput -> ListObjectsOutput,
        list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output,
        put_object: PutObjectInput -> PutObjectOutput,
        create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput,
        upload_part: UploadPartInput -> UploadPartOutput,
        list_parts: ListPartsInput -> ListPartsOutput,
        complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput,
        abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput,
    }

    fn delete_object<'a, 'b>(
        &'a self,
        request: S3Request<DeleteObjectInput>,
    ) -> Answer<'b, DeleteObjectOutput>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let version_id = request.input.version_id.clone();
            self.delete(request).await?;
            Ok(S3Response::new(DeleteObjectOutput {
                version_id,
                ..Default::default()
            }))
        })
    }

    fn delete_objects<'a, 'b>(
        &'a self,
        request: S3Request<DeleteObjectsInput>,
    ) -> Answer<'b, DeleteObjectsOutput>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.delete_each(request))
    }

    fn list_object_versions<'a, 'b>(
        &'a self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> Answer<'b, ListObjectVersionsOutput>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.versions(request))
    }

    /// Never enabled here: one version per object.
    fn get_bucket_versioning<'a, 'b>(
        &'a self,
        _request: S3Request<GetBucketVersioningInput>,
    ) -> Answer<'b, GetBucketVersioningOutput>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async { Ok(S3Response::new(GetBucketVersioningOutput::default())) })
    }
}

#[cfg(test)]
mod tests;

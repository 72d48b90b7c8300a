export {
  type Channel,
  deliveryJobs,
  deliveryTasks,
  enqueueNotifications,
  iso,
  jobsAdded,
} from './enqueue-notifications.js';
